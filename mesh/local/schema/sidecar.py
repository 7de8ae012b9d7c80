"""Sidecar."""

from __future__ import annotations

import re

from mesh.local.model import Json
from mesh.local.schema.gateway import SERVER_TLS
from mesh.local.schema.language import ANY_TEXT, Enum, ListOf, Message, Text, later
from mesh.local.schema.ports import SIDECAR_PORT
from mesh.local.schema.report import At
from mesh.local.schema.selectors import SELECTED_LABELS
from mesh.local.schema.text import is_label, wildcard_host
from mesh.local.schema.traffic_policy import CONNECTION_POOL

_ENDPOINT = re.compile(r"(?P<host>127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]|):(?P<port>[0-9]+)", re.ASCII)
_CAPTURE = Enum("DEFAULT", later=("IPTABLES", "NONE"))


def default_endpoint(text: str) -> str | None:
    if not text or text.startswith("unix://"):
        return None
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        return (
            "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,"
            "unix://filepath or unset"
        )
    number = int(match["port"])
    return None if 1 <= number <= 65535 else f"port number {number} must be in the range 1..65535"


def egress_host(text: str) -> str | None:
    namespace, slash, host = text.partition("/")
    if not slash:
        return "host must be of form namespace/dnsName"
    space = namespace.removeprefix("~")
    if not namespace or not host:
        return "config namespace and dnsName in host entry cannot be empty"
    if space not in ("", "*", ".") and not is_label(space):
        return f'invalid namespace value "{namespace}" in sidecar'
    if host != "*" and "." not in host:
        return "short names (non FQDN) are not allowed"
    if "*" in host and host != "*" and not host.startswith("*."):
        return f'partial wildcard "{host}" not allowed'
    return wildcard_host(host)


def _no_socket(listener: Json, at: At) -> None:
    if (listener.get("defaultEndpoint") or "").startswith("unix://"):
        (at / "defaultEndpoint").unsupported("Unix domain sockets")


def _says_something(spec: Json, at: At) -> None:
    if not any(spec.get(key) for key in ("egress", "ingress")) and not any(
        key in spec for key in ("outboundTrafficPolicy", "inboundConnectionPool")
    ):
        at.error("sidecar: empty configuration provided")


def _egress(spec: Json, at: At) -> None:
    listeners = spec.get("egress") or []
    for index, listener in enumerate(listeners):
        if "port" not in listener and index < len(listeners) - 1:
            message = "sidecar: the egress listener with empty port should be the last listener in the list"
            (at / "egress" / index).error(message)
        seen: set[tuple[str, str]] = set()
        for number, written in enumerate(listener.get("hosts") or []):
            namespace, _, host = written.partition("/")
            key = (at.resource.namespace if namespace == "." else namespace, host)
            if key in seen or ((key[0], "*") in seen and not namespace.startswith("~")):
                (at / "egress" / index / "hosts" / number).warning(f"duplicated egress host: {written}")
            seen.add(key)


def _ingress(spec: Json, at: At) -> None:
    seen: set[int] = set()
    for index, listener in enumerate(spec.get("ingress") or []):
        number = listener["port"]["number"]
        if number in seen:
            message = "sidecar: ports on IP bound listeners must be unique"
            (at / "ingress" / index / "port" / "number").error(message)
        seen.add(number)


_PORT_EGRESS = "a laptop's sidecar has one egress proxy for all ports"
SPEC = Message(
    {
        "workloadSelector": Message({"labels": SELECTED_LABELS}),
        "egress": ListOf(
            Message(
                {
                    "hosts": ListOf(Text(egress_host), least=1),
                    "port": later(SIDECAR_PORT, _PORT_EGRESS),
                    "bind": later(ANY_TEXT, _PORT_EGRESS),
                    "captureMode": _CAPTURE,
                },
                required=["hosts"],
            )
        ),
        "ingress": ListOf(
            Message(
                {
                    "port": SIDECAR_PORT,
                    "defaultEndpoint": Text(default_endpoint),
                    "connectionPool": CONNECTION_POOL,
                    "bind": later(ANY_TEXT, "a laptop's sidecar listens on its pod's address"),
                    "captureMode": _CAPTURE,
                    "tls": later(SERVER_TLS),
                },
                required=["port"],
                rules=[_no_socket],
            )
        ),
        "outboundTrafficPolicy": Message(
            {
                "mode": Enum("REGISTRY_ONLY", "ALLOW_ANY"),
                "egressProxy": later(),
                "tls": later(),
            }
        ),
        "inboundConnectionPool": CONNECTION_POOL,
    },
    rules=[_says_something, _egress, _ingress],
)
