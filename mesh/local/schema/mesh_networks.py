"""`meshNetworks`: address ranges whose callers a gateway takes for internal, as istiod does when told to."""

from __future__ import annotations

from mesh.local.schema.language import ANY_TEXT, ListOf, MapOf, Message, Text, later
from mesh.local.schema.text import ip_block, not_empty


def _cidr(text: str) -> str | None:
    if "/" not in text:
        return f"invalid CIDR address: {text}"
    return ip_block(text)


_ENDPOINT = Message(
    {"fromCidr": Text(_cidr), "fromRegistry": later(ANY_TEXT)}, one_of=[("fromCidr", "fromRegistry")]
)
_NETWORK = Message(
    {"endpoints": ListOf(_ENDPOINT), "gateways": ListOf(later(why="there is one network"), most=0)}
)
MESH_NETWORKS = Message({"networks": MapOf(_NETWORK, key=not_empty)})
