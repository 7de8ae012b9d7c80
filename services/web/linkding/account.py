"""What a program asks before anything else: who is there, which version, is it well."""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import Response

from services.kit.errors import Problem
from services.web.deps import deps_of
from services.web.linkding.answers import PROFILE, VERSION
from services.web.linkding.call import Call, answer

HEALTH_WITHIN_S = 2.0

_log = structlog.get_logger(__name__)


async def root(call: Call) -> Response:
    return answer({})


async def profile(call: Call) -> Response:
    return answer(PROFILE)


async def health(request: Request) -> Response:
    """Programs refuse a server whose version is too old."""
    try:
        async with asyncio.timeout(HEALTH_WITHIN_S):
            await deps_of(request).database.ping()
    except (Problem, TimeoutError) as error:
        _log.warning("unhealthy", error=str(error) or type(error).__name__)
        return answer({"version": VERSION, "status": "unhealthy"}, 500)
    return answer({"version": VERSION, "status": "healthy"})
