"""A request as the proxies on its way see it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.model import Json

_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443, "tls": 443}


@dataclass(frozen=True)
class Request:
    """`authority` is the Host as sent; `path` has its query; `headers` have lower-case names.

    `principal` (a SPIFFE id), `source_ip` and `port` (the workload's) are known on the way in only;
    `token` are the claims of the token that it carries, `claims` those that a proxy accepted.
    """

    method: str
    scheme: str
    authority: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: str | None = None
    source_ip: str = ""
    remote_ip: str = ""
    destination_ip: str = ""
    port: int = 0
    server_name: str = ""
    token: Json | None = None
    claims: Json | None = None

    @property
    def host(self) -> str:
        """The authority in lower case without a port."""
        host, colon, port = self.authority.lower().rpartition(":")
        return host if colon and port.isdigit() else self.authority.lower()

    @property
    def service_port(self) -> int:
        _, colon, port = self.authority.rpartition(":")
        return int(port) if colon and port.isdigit() else _DEFAULT_PORTS.get(self.scheme, 80)

    @property
    def path_alone(self) -> str:
        return re.split(r"[?#]", self.path, maxsplit=1)[0]

    @property
    def query(self) -> dict[str, str]:
        _, _, text = self.path.partition("?")
        return dict(reversed(parse_qsl(text, keep_blank_values=True)))  # the first of a name counts

    def header(self, name: str) -> str | None:
        """A header, or a pseudo header such as `:method`."""
        pseudo = {
            ":method": self.method,
            ":authority": self.authority,
            ":path": self.path,
            ":scheme": self.scheme,
        }
        return pseudo.get(name.lower(), self.headers.get(name.lower()))


def parse(method: str, url: str, headers: Mapping[str, str]) -> Request:
    """A request to an absolute URL; a Host header wins over the URL's."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    lower = {name.lower(): value for name, value in headers.items()}
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    carried = "CONNECT" if parts.scheme in ("tcp", "tls") else method.upper()
    return Request(carried, parts.scheme, lower.pop("host", "") or parts.netloc, path, lower)


def by_tunnel(request: Request) -> Request:
    """What a sidecar sees of an https URL: clients ask their proxy for a connection, and speak TLS in it."""
    if request.scheme != "https":
        return request
    return replace(
        request, method="CONNECT", scheme="tls", path="/", authority=f"{request.host}:{request.service_port}"
    )


def normalised(request: Request, mesh: MeshConfig) -> Request:
    """The request with its path as the connection manager cleans it before anything is decided."""
    if mesh.path_normalization == "NONE":
        return request
    path, mark, query = request.path.partition("?")
    if mesh.path_normalization == "DECODE_AND_MERGE_SLASHES":
        path = re.sub(r"%2f", "/", re.sub(r"%5c", "/", path, flags=re.IGNORECASE), flags=re.IGNORECASE)
    if mesh.path_normalization != "BASE":
        path = re.sub("/{2,}", "/", path)
    path = _ESCAPED.sub(_unreserved, path.replace("\\", "/"))
    return replace(request, path=_without_dots(path) + mark + query)


def _unreserved(escaped: re.Match[str]) -> str:
    """A character that needs no escape as itself, anything else as it was written."""
    character = chr(int(escaped[1], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escaped[0]


def _without_dots(path: str) -> str:
    """Dot segments resolved, everything else left, empty segments too."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "..":
            kept = kept[:-1]
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")
    return posixpath.sep + "/".join(kept)
