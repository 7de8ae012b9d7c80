"""Programs that are not Python's and come from no wheel: Jaeger, Prometheus; for tests a Kubernetes.

Each is taken from PATH where its version will do, else from the user's cache, into which it is unpacked out
of the system's own package or built by Go. Nothing here is needed to start the application.
"""
