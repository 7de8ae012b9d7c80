"""The Kubernetes kinds that the runner reads: what it honours, what means nothing on a laptop, what waits."""
