"""What the control socket answers, right or wrong: the one place where errors become answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mesh.local.model import Finding, InvalidConfig
from mesh.local.runtime.errors import Conflict, DeliveryFailed, MeshError, NotFound, NotReady, Unanswered

STATUS: dict[type[MeshError], int] = {
    NotFound: 404,
    NotReady: 409,
    Conflict: 409,
    DeliveryFailed: 502,
    Unanswered: 504,
}


def answering(ask: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of what is asked; `reason` of an error is the name of its class."""

    async def endpoint(request: Request) -> Response:
        try:
            return _json(200, await ask(request))
        except InvalidConfig as error:
            findings = [_finding(found) for found in error.findings]
            return _json(422, {"error": str(error), "findings": findings})
        except msgspec.DecodeError as error:
            return _json(400, {"error": str(error)})
        except MeshError as error:
            status = STATUS.get(type(error), 400)
            return _json(status, {"error": str(error), "reason": type(error).__name__})

    return endpoint


def _json(status: int, body: Any) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _finding(found: Finding) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
