"""Logs, metrics and traces of a process: how they are made, not what they say.

Lives here: the set-up of structlog, prometheus-client and OpenTelemetry as plain ASGI pieces. Not here:
anything about HTTP interfaces, settings or services; nothing in this folder imports another.
"""
