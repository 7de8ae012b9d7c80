"""Load: what people do (`journeys`), as whom (`accounts`), how often (`mix.yaml`), who sends it (locust or
`open_loop`). It knows Delinkcious by its public interface only and imports nothing of it. What is made of
the numbers is in `delinkcious/load/`.
"""
