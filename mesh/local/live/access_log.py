"""One line of a proxy's access log, in Istio's text format or as JSON (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from mesh.local.envoy.access_log import JSON_FORMAT, TEXT_FORMAT


@dataclass(frozen=True)
class Line:
    """What a proxy says of one request; `status` is None where it never answered, absent texts are empty.

    `local` is the proxy's own end of the connection to the upstream, by which the next one knows it.
    """

    raw: str
    status: int | None = None
    flags: str = ""
    details: str = ""
    transport_failure: str = ""
    cluster: str = ""
    upstream: str = ""
    route: str = ""
    server_name: str = ""
    local: str = ""

    @property
    def inbound(self) -> bool:
        return self.cluster.startswith("inbound|")


# The words of Istio's text format, the time apart, in order: the same fields as those of its JSON.
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_ORDER = [quoted or plain for quoted, plain in _WORD.findall(TEXT_FORMAT)]
_NAMES = {str(command): name for name, command in JSON_FORMAT.items()}


def read(raw: str) -> Line:
    """A line as far as it can be read: another format than Istio's gives the text alone."""
    fields = _json(raw) if raw.startswith("{") else _text(raw)
    if fields is None:
        return Line(raw)

    def text(name: str) -> str:
        value = fields.get(name)
        return "" if value in (None, "-") else str(value)

    status = text("response_code")
    return Line(
        raw=raw,
        status=int(status) if status.isdigit() and status != "0" else None,
        flags=text("response_flags"),
        details=text("response_code_details") or text("connection_termination_details"),
        transport_failure=text("upstream_transport_failure_reason"),
        cluster=text("upstream_cluster"),
        upstream=text("upstream_host"),
        route=text("route_name"),
        server_name=text("requested_server_name"),
        local=text("upstream_local_address"),
    )


def _json(raw: str) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(raw: str) -> dict[str, Any] | None:
    """Istio's default line; None when it is another one."""
    words = [quoted or plain for quoted, plain in _WORD.findall(raw)]
    # Method, path and protocol stand in one pair of quotes: three commands, one word, which has no name.
    names = [_NAMES.get(command.strip("[]")) for command in _ORDER]
    if len(words) != len(names):
        return None
    return {name: word for name, word in zip(names, words, strict=True) if name is not None}
