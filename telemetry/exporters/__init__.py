"""What PostgreSQL, Redis and NATS say of themselves, as Prometheus reads it: one process, a port for each.

Names and labels are those of the exporters that people use for these stores, so that dashboards made for
them work. Nothing is kept: a scrape asks the store, with a bound, and an unreachable one is `..._up 0`.
"""
