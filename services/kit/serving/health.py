"""What the platform asks: is the process alive, and should it get requests now."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.kit.resources import Resources
from services.kit.serving.answers import Json
from services.kit.serving.operation import Running

LIVE = "/healthz/live"
READY = "/healthz/ready"
CONFIG = "/healthz/config"


def health_routes(running: Running, resources: Resources) -> list[Route]:
    """Liveness asks nothing of anybody; readiness pings every resource, and is false while draining.

    Which runtime configuration is in force has no say in either: a wrong one changes nothing.
    """

    async def live(_: Request) -> Response:
        return Json({"status": "alive"}, 200)

    async def ready(_: Request) -> Response:
        checks = await resources.ping()
        if running.draining:
            return Json({"status": "draining", "checks": checks}, 503)
        if any(state != "ok" for state in checks.values()):
            return Json({"status": "not ready", "checks": checks}, 503)
        return Json({"status": "ready", "checks": checks}, 200)

    async def config(_: Request) -> Response:
        return Json(resources.live.shown(), 200)

    return [Route(LIVE, live), Route(READY, ready), Route(CONFIG, config)]
