"""Delivery: images, environments, Argo CD's applications, clusters to try it on, releases.

`image/` makes images; `kustomize/` has the environments and `argocd/` what Argo CD applies of them; `clusters/` are
kind and minikube; `release` checks and describes a release. Nothing at run time imports it.
"""
