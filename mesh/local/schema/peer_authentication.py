"""PeerAuthentication."""

from __future__ import annotations

import re

from mesh.local.model import Json
from mesh.local.schema.language import Enum, MapOf, Message
from mesh.local.schema.report import At
from mesh.local.schema.selectors import WORKLOAD_SELECTOR

MTLS = Message({"mode": Enum("UNSET", "DISABLE", "PERMISSIVE", "STRICT")})


def _port_number(text: str) -> str | None:
    if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) and 1 <= int(text) <= 65535:
        return None
    return f"port must be in range 1..65535, not {text}"


def _ports_need_selector(spec: Json, at: At) -> None:
    if "portLevelMtls" not in spec:
        return
    place = at / "portLevelMtls"
    if not spec["portLevelMtls"]:
        place.error("port level mTLS, if defined, must have at least one element")
    if not (spec.get("selector") or {}).get("matchLabels"):
        place.error("mesh/namespace peer authentication cannot have port level mTLS: it needs a selector")


SPEC = Message(
    {"selector": WORKLOAD_SELECTOR, "mtls": MTLS, "portLevelMtls": MapOf(MTLS, key=_port_number)},
    rules=[_ports_need_selector],
)
