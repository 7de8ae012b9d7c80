"""A cluster on this machine to try everything on: kind or minikube, Istio, the chart, policy and splits.

`programs` runs other programs and says which are missing; `cluster` is the one or the other kind of cluster;
`installation` is what goes into it, each step safe to repeat; `reporting` is what to look at when it failed.
"""
