"""Header operations of a route or a destination."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.model import Json

HOST = ("host", ":authority")


def operations(*written: Json | None) -> Json:
    """The header fields of a Route or a ClusterWeight, of several `headers` blocks one after the other."""
    made: Json = {}
    for side in ("request", "response"):
        blocks = [(block or {}).get(side) or {} for block in written]
        if added := [option for block in blocks for option in _added(block)]:
            made[f"{side}_headers_to_add"] = added
        if removed := [name for block in blocks for name in block.get("remove") or []]:
            made[f"{side}_headers_to_remove"] = removed
    return made


def host_of(headers: Json | None) -> str | None:
    """What a `headers` block makes of the Host header."""
    request = (headers or {}).get("request") or {}
    for kind in ("set", "add"):
        for name, value in (request.get(kind) or {}).items():
            if name.lower() in HOST:
                return str(value)
    return None


def _added(block: Json) -> Sequence[Json]:
    return [
        {"header": {"key": name, "value": value}, "append_action": action}
        for kind, action in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
        for name, value in sorted((block.get(kind) or {}).items())
        if name.lower() not in HOST
    ]
