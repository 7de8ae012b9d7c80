"""The spans of what services do, by OpenTelemetry's semantic conventions, one file per kind of partner.

Thin code of our own where stock instrumentation costs several times as much, records what is somebody's
data (addresses, queries, keys) or follows outdated conventions. Every function here does next to nothing
when the work at hand is not sampled.
"""
