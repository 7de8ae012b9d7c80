"""What routes refer to, and who sees it: DestinationRule, Gateway, ServiceEntry, Sidecar."""

from __future__ import annotations

from hypothesis import strategies as st

from mesh.local.model import Json
from tests.mesh.conformance.drawn.fields import (
    DETAILS,
    EXPORTS,
    EXTERNAL,
    Drawn,
    joined,
    made,
    one,
    seldom,
)

_NAMES = {"reviews": ("v1", "v2", "v3", "v9"), "ratings": ("v1",)}
_TLS = st.fixed_dictionaries({"tls": st.fixed_dictionaries({"mode": one("DISABLE", "ISTIO_MUTUAL")})})
_SEEN = ("./*", "*/*", "other/*", f"*/{DETAILS}", "./reviews.default.svc.cluster.local", f"./{EXTERNAL}")


def subsets(host: str) -> Json:
    """Every subset that a route may name; nothing is labelled `v9`."""
    named = [{"name": name, "labels": {"version": name}} for name in _NAMES[host]]
    return made("DestinationRule", f"{host}-subsets", {"host": host, "subsets": named})


def destination_rule() -> Drawn:
    """How a host is to be spoken to, at all its ports or at one.

    Exported as the host's subsets are: where it is not, the younger of both rules would have the word.
    """
    port = joined(st.fixed_dictionaries({"port": one({"number": 80}, {"number": 8000})}), _TLS)
    ports = st.fixed_dictionaries({"portLevelSettings": st.tuples(port).map(list)})
    spec = joined(
        st.fixed_dictionaries({"host": one("ratings", "reviews", DETAILS, "naked")}),
        st.fixed_dictionaries({"trafficPolicy": _TLS | ports | joined(_TLS, ports)}),
    )
    return spec.map(lambda found: made("DestinationRule", "traffic", found))


def gateway() -> Drawn:
    """On the gateway's port 80, for any host or for some."""
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    hosts = one(["*"], ["*.example.com"], ["default/*"], ["shop.example.com"], ["other/*"])
    servers = st.tuples(st.fixed_dictionaries({"port": st.just(port), "hosts": hosts})).map(list)
    spec = st.fixed_dictionaries({"selector": st.just({"istio": "ingressgateway"}), "servers": servers})
    return spec.map(lambda found: made("Gateway", "edge", found, "istio-system"))


def service_entry() -> Drawn:
    """The server outside, by an address that is written down."""
    port = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": "${EXTERNAL_HTTP}"}
    fixed = {
        "hosts": [EXTERNAL],
        "location": "MESH_EXTERNAL",
        "resolution": "STATIC",
        "ports": [port],
        "endpoints": [{"address": "${EXTERNAL_IP}"}],
    }
    spec = joined(st.just(fixed), seldom(st.fixed_dictionaries({"exportTo": EXPORTS})))
    where = one("default", "default", "other")
    return st.builds(lambda found, namespace: made("ServiceEntry", "api", found, namespace), spec, where)


def sidecar() -> Drawn:
    """What clients may see; all else is refused, since elsewhere it would go to what this machine knows."""
    hosts = st.lists(one(*_SEEN), min_size=1, max_size=2, unique=True)
    spec = joined(
        seldom(st.just({"workloadSelector": {"labels": {"app": "client"}}}), in_=2),
        st.fixed_dictionaries(
            {
                "outboundTrafficPolicy": st.just({"mode": "REGISTRY_ONLY"}),
                "egress": st.tuples(st.fixed_dictionaries({"hosts": hosts})).map(list),
            }
        ),
    )
    return spec.map(lambda found: made("Sidecar", "seen", found))
