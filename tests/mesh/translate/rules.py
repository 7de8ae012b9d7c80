"""Short forms of the resources that the tests write most."""

from __future__ import annotations

SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec:
  host: reviews
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
"""

REGISTRY_ONLY = """
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
---
"""

STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
"""
# A service behind TCP and TLS ports, and where its rules lead: a subset and a port.
STORE_SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: store, namespace: default }
spec:
  host: store
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
"""
TO_STORE = "route: [{ destination: { host: store, subset: %s, port: { number: %s } } }]"
# An ingress gateway that takes every host.
EVERY_HOST = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
"""


def virtual_service(http: str, host: str = "reviews", more: str = "") -> str:
    """A VirtualService for `host`; `http` is its list of rules in flow form."""
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: rules, namespace: default }}
spec:
  hosts: ["{host}"]
  {more}
  http: {http}
---
"""


def policy(name: str, spec: str, namespace: str = "default") -> str:
    """An AuthorizationPolicy with its spec in flow form."""
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {spec}
---
"""


V1 = "route: [{ destination: { host: reviews, subset: v1 } }]"
V2 = "route: [{ destination: { host: reviews, subset: v2 } }]"
