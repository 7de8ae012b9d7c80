"""Istio resources and a registry in, Envoy resources out: one file per Istio kind, pure functions.

No I/O here and no exception for validated input; `mesh.local.snapshot` puts the parts together.
"""
