"""WorkloadEntry, and the endpoints of a ServiceEntry, which have its shape."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import ANY_TEXT, UINT32, MapOf, Message, Text, Type, later
from mesh.local.schema.ports import port_name
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS
from mesh.local.schema.text import fqdn, is_ip

UNIX = "unix://"


def _address(entry: Json, at: At) -> None:
    written = entry.get("address") or ""
    if not written and not entry.get("network"):
        (at / "address").error("address is required")
    elif written.startswith(UNIX):
        (at / "address").unsupported("Unix domain sockets")


def _is_somewhere(entry: Json, at: At) -> None:
    """By itself an entry may be for DNS or not."""
    written = entry.get("address") or ""
    if written and not written.startswith(UNIX) and not is_ip(written) and fqdn(written) is not None:
        (at / "address").error(f'endpoint address "{written}" is not a valid FQDN or an IP address')


def _locality(text: str) -> str | None:
    parts = text.split("/")
    if text and ("" in parts or len(parts) > 3):
        return f'locality "{text}" is no region/zone/subzone'
    return None


FIELDS: dict[str, Type] = {
    "address": ANY_TEXT,
    "ports": MapOf(PORT, key=port_name),
    "labels": LABELS,
    "network": later(ANY_TEXT, "a laptop is one network"),
    "locality": Text(_locality),
    "weight": UINT32,
    "serviceAccount": ANY_TEXT,
}
ENDPOINT = Message(FIELDS, rules=[_address])
SPEC = Message(FIELDS, rules=[_address, _is_somewhere])
