"""The stores of the embedded default: real servers from wheels, on loopback, owned by whoever starts them.

On Kubernetes these are an operator's or a managed service; only their URLs reach the application.
"""
