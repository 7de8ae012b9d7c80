"""Delivery: images, environments, clusters to try it on, releases.

`image/` makes images; `kustomize/` has the environments, `argocd/` what Argo CD applies of them; `clusters/`
are kind and minikube; `release` checks and describes a release. Nothing at run time imports it.
"""
