"""Probes and lifecycle hooks of a container."""

from __future__ import annotations

from typing import Any

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import ANY_TEXT, Enum, Int, ListOf, Message, described, later
from mesh.local.schema.report import At

_ACTIONS = ("httpGet", "exec", "tcpSocket", "grpc")
_SECONDS = Int(1, 2**31 - 1)
_NOT_NEGATIVE = Int(0, 2**31 - 1)


class PortOrName:
    """The number of a port, or the name that a container gives it."""

    def check(self, value: Any, at: At) -> None:
        if type(value) is int:
            PORT.check(value, at)
        elif type(value) is not str or not value:
            at.misshapen(f"must be a port's number or name, not {described(value)}")


PORT_OR_NAME = PortOrName()
_EXEC = Message({"command": ListOf(ANY_TEXT, least=1)}, required=["command"])
_HTTP_GET = Message(
    {
        "path": ANY_TEXT,
        "port": PORT_OR_NAME,
        "host": ANY_TEXT,
        "scheme": Enum("HTTP", "HTTPS"),
        "httpHeaders": ListOf(Message({"name": ANY_TEXT, "value": ANY_TEXT}, required=["name", "value"])),
    },
    required=["port"],
)
_TCP = Message({"port": PORT_OR_NAME, "host": ANY_TEXT}, required=["port"])


def _one_action(probe: Json, at: At) -> None:
    if not any(action in probe for action in _ACTIONS):
        at.error("must specify a handler type: httpGet, exec, tcpSocket or grpc")


PROBE = Message(
    {
        "httpGet": _HTTP_GET,
        "exec": _EXEC,
        "tcpSocket": _TCP,
        "grpc": Message({"port": PORT, "service": ANY_TEXT}, required=["port"]),
        "initialDelaySeconds": _NOT_NEGATIVE,
        "periodSeconds": _SECONDS,
        "timeoutSeconds": _SECONDS,
        "successThreshold": _SECONDS,
        "failureThreshold": _SECONDS,
        "terminationGracePeriodSeconds": _SECONDS,
    },
    one_of=[_ACTIONS],
    rules=[_one_action],
)
_HOOK = Message(
    {
        "exec": _EXEC,
        "httpGet": _HTTP_GET,
        "tcpSocket": _TCP,
        "sleep": Message({"seconds": _NOT_NEGATIVE}, required=["seconds"]),
    },
    one_of=[("exec", "httpGet", "tcpSocket", "sleep")],
)
LIFECYCLE = Message({"preStop": _HOOK, "postStart": _HOOK, "stopSignal": later(ANY_TEXT)})
