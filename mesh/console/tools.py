"""Where Jaeger and Prometheus of this mesh are, or why they are not there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from mesh.console.control import Control
from mesh.console.errors import Away, Unshown
from mesh.console.jaeger import MAX_PAGE_BYTES, is_page
from mesh.console.settings import JAEGER, JAEGER_PORT, PROMETHEUS, PROMETHEUS_PORT, TOOLS

PORTS = {JAEGER: JAEGER_PORT, PROMETHEUS: PROMETHEUS_PORT}
TITLES = {JAEGER: "Jaeger", PROMETHEUS: "Prometheus"}
KNOWN_FOR_S = 5.0
LOOK_TIMEOUT = aiohttp.ClientTimeout(total=2)
# How the mesh says that a container's program is still to come.
_NO_PROGRAM = "waiting for its program"


@dataclass(frozen=True)
class Tool:
    """`url` is empty while it does not serve; `why` then says it."""

    name: str
    url: str = ""
    why: str = ""
    page: bool = True


class Tools:
    """Asks the mesh now and then."""

    def __init__(self, control: Control, session: aiohttp.ClientSession) -> None:
        self._control = control
        self._session = session
        self._known: dict[str, Tool] = {}
        self._until = 0.0

    async def all(self) -> dict[str, Tool]:
        """By name; never fails."""
        if time.monotonic() >= self._until:
            self._known = await self._found()
            self._until = time.monotonic() + KNOWN_FOR_S
        return self._known

    async def url(self, name: str) -> str:
        """The address of one. Raises Away."""
        tool = (await self.all())[name]
        if not tool.url:
            raise Away(tool.why)
        return tool.url

    async def _found(self) -> dict[str, Tool]:
        try:
            pods = await self._control.pods(TOOLS)
        except Unshown as error:
            return {name: Tool(name, why=str(error)) for name in PORTS}
        found = {}
        for name, port in PORTS.items():
            pod = next((pod for pod in pods if pod["workload"] == name), None)
            if pod is None or not pod["ready"] or port not in pod["ports"]:
                found[name] = Tool(name, why=why(name, pod))
            else:
                url = f"http://{pod['ports'][port]}"
                found[name] = Tool(name, url, page=name != JAEGER or await self._has_page(url))
        return found

    async def _has_page(self, url: str) -> bool:
        try:
            async with self._session.get(url, timeout=LOOK_TIMEOUT) as answer:
                content = b""
                async for chunk in answer.content.iter_any():
                    content += chunk
                    if len(content) > MAX_PAGE_BYTES:
                        break
                return is_page(content)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def why(name: str, pod: dict[str, Any] | None) -> str:
    """Why a tool does not serve, by its pod."""
    title = TITLES[name]
    if pod is None:
        return f"{title} is not part of what runs here."
    reasons = [str(part["reason"]) for part in pod["containers"] if part["reason"] and not part["ready"]]
    if any(reason.startswith(_NO_PROGRAM) for reason in reasons):
        return (
            f"{title} is not there yet: its program is being built, which takes minutes, once. "
            f"`delinkcious tools list` says how it stands, `delinkcious tools install {name}` begins it."
        )
    return f"{title} is starting{': ' + reasons[0] if reasons else ''}."
