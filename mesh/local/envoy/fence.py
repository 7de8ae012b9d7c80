"""What a sidecar does not let its pod reach although anything is allowed: the insides of other pods.

On Kubernetes the admin interface and the process of another pod listen on that pod's own localhost. Here they
listen on loopback addresses of the mesh's block, so the way there is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from mesh.local import block
from mesh.local.envoy.http import filter_
from mesh.local.model import Json, Proxy

_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
_MATCHER = "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"
_MAPPED = "::ffff:"  # an IPv4 address as IPv6
_MAPPED_BITS = 96


def fence(proxy: Proxy) -> Json:
    """The filter that refuses by the address that a request is really sent to, however it was named."""
    permissions = [
        *(_to(net, port) for net in _nets(block.whole(proxy.ip)) for port in _ports(proxy)),
        *(_to(net) for net in _nets(block.applications(proxy.ip))),
    ]
    policy = {"permissions": permissions, "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {"insides of pods": policy}}
    return filter_("envoy.filters.http.rbac", _RBAC, rules=rules)


def is_inside(proxy: Proxy, address: str, port: int) -> bool:
    """Whether an address that somebody wrote is one of those, of whichever mesh of this machine."""
    try:
        known: IPv4Address | IPv6Address | None = ip_address(address)
    except ValueError:
        return False  # a name, which DNS knows
    if isinstance(known, IPv6Address):
        known = known.ipv4_mapped
    if known is None or not known.is_loopback or known in block.COMMON:
        return False
    return port in _ports(proxy) or known in block.applications(str(known))


def _ports(proxy: Proxy) -> tuple[int, int]:
    return proxy.admin[1], proxy.egress[1]


def _nets(net: IPv4Network) -> Iterator[Json]:
    yield {"address_prefix": str(net.network_address), "prefix_len": net.prefixlen}
    mapped = f"{_MAPPED}{net.network_address}"
    yield {"address_prefix": mapped, "prefix_len": _MAPPED_BITS + net.prefixlen}


def _to(net: Json, port: int | None = None) -> Json:
    """A permission for what goes to `net`, and to `port` if one is given."""
    config: Json = {"@type": f"type.googleapis.com/{_MATCHER}", "upstream_ip": net}
    if port is not None:
        config["upstream_port_range"] = {"start": port, "end": port + 1}
    return {"matcher": {"name": "envoy.rbac.matchers.upstream_ip_port", "typed_config": config}}
