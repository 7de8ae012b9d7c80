"""The local mesh as the node of a Kubernetes: its Pods are processes, its API server one more process.

`plane` starts the control plane, `declared` reads from its API what is to be, `pods` runs the Pods that are
bound to this node and says how they are. Needs the extra `kubernetes`.
"""
