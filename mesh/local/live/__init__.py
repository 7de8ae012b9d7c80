"""What really becomes of a request: it is sent from a pod, and the proxies on its way tell what they did."""
