"""How a request is served: identified, read, admitted, run once and in time, answered, described.

Behind `kit.app` and `kit.endpoint`, which is all that a service needs to know; nothing here knows a service.
"""
