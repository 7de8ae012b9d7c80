"""Envoy's admin interface: what is in force, what is refused, what still drains."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from mesh.local.runtime.errors import MeshError

ADMIN_TIMEOUT = aiohttp.ClientTimeout(total=2)
_WANTED = (
    r"^(cluster_manager|listener_manager|http)\..*(version_text|update_rejected|warming_clusters|total_listeners_warming"
    r"|total_filter_chains_draining|total_listeners_draining|listener_create_failure)$"
)
# What comes from outside: into a sidecar's pod, or into a gateway.
_ACTIVE = (
    r"^(http\.(inbound|outbound_0\.0\.0\.0_).*\.downstream_rq_active|tcp\.inbound.*\.downstream_cx_active)$"
)
# Of a gateway; the second kind is still to say which host it wants.
_CONNECTIONS = r"^(listener\.\d.*|http\.outbound_0\.0\.0\.0_.*)\.downstream_(pre_)?cx_active$"
_DOORS = r"^listener_manager\.(listener_stopped|total_listeners_active)$"
DRAIN_POLL_S = 0.05
_LINE = re.compile(r'^(.*)\.(\w+): "?([^"\n]*)"?$', re.MULTILINE)


class AdminUnreachable(MeshError):
    """Envoy does not answer: it is not started yet, has died, or hangs."""


@dataclass(frozen=True)
class Status:
    """One look at an Envoy: versions in force by content hash, and counters of trouble."""

    versions: Set[str]
    rejected: int
    warming: int
    draining: int

    @classmethod
    def read(cls, text: str) -> Status:
        versions: set[str] = set()
        numbers = {"rejected": 0, "warming": 0, "draining": 0}
        for _, stat, value in _LINE.findall(text):
            if stat == "version_text":
                versions.add(value)
            elif stat in ("update_rejected", "listener_create_failure"):
                numbers["rejected"] += int(value)
            elif stat in ("warming_clusters", "total_listeners_warming"):
                numbers["warming"] += int(value)
            else:
                numbers["draining"] += int(value)
        return cls(versions, **numbers)


class Admin:
    """The admin interface of one Envoy, over the connections of a shared session."""

    def __init__(self, session: aiohttp.ClientSession, address: tuple[str, int]) -> None:
        self._session = session
        self._base = f"http://{address[0]}:{address[1]}"

    async def live(self) -> bool:
        """Whether it has its first configuration and accepts connections."""
        try:
            return (await self._get("/ready")).startswith("LIVE")
        except AdminUnreachable:
            return False

    async def versions(self) -> Set[str]:
        """The versions in force now."""
        text = await self._request("GET", "/stats", {"type": "TextReadouts"})
        return {value for _, stat, value in _LINE.findall(text) if stat == "version_text"}

    async def status(self) -> Status:
        """What is in force now."""
        return Status.read(await self._get("/stats", _WANTED))

    async def statistics(self, pattern: str) -> str:
        """Those whose names match, a line each."""
        return await self._get("/stats", pattern)

    async def dump(self) -> str:
        """All that is configured, with endpoints."""
        return await self._request("GET", "/config_dump", {"include_eds": ""})

    async def active_requests(self) -> int:
        """Requests and TCP connections from outside that the process still works on."""
        text = await self._get("/stats", _ACTIVE)
        return sum(int(value) for _, _, value in _LINE.findall(text))

    async def connections(self) -> int:
        """Connections into a gateway: nought only when there is none, else more than there are."""
        text = await self._get("/stats", _CONNECTIONS)
        return sum(int(value) for _, _, value in _LINE.findall(text))

    async def serials(self) -> Set[int]:
        """The serial numbers of the certificates that it shows to others."""
        shown = msgspec.json.decode(await self._get("/certs"))
        chains = [chain for one in shown["certificates"] for chain in one.get("cert_chain") or []]
        return {int(chain["serial_number"], 16) for chain in chains}

    async def certificates(self) -> list[dict[str, Any]]:
        """Everything that it shows to others, and by which it trusts them, as Envoy tells it."""
        found: list[dict[str, Any]] = msgspec.json.decode(await self._get("/certs"))["certificates"]
        return found

    async def endpoints(self) -> list[dict[str, Any]]:
        """Its clusters with the health and the counters of each endpoint, as Envoy tells it."""
        text = await self._request("GET", "/clusters", {"format": "json"})
        found: list[dict[str, Any]] = msgspec.json.decode(text)["cluster_statuses"]
        return found

    async def drain(self, within_s: float) -> None:
        """Close the doors: connections end after their next answer, and soon nobody is let in any more."""
        deadline = time.monotonic() + within_s
        await self._request("POST", "/drain_listeners?graceful", None)
        while time.monotonic() < deadline and await self._open_doors():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(DRAIN_POLL_S)

    async def _open_doors(self) -> int:
        """Listeners that still accept connections."""
        counts = {name: int(value) for _, name, value in _LINE.findall(await self._get("/stats", _DOORS))}
        return counts.get("total_listeners_active", 0) - counts.get("listener_stopped", 0)

    async def _get(self, path: str, pattern: str | None = None) -> str:
        return await self._request("GET", path, None if pattern is None else {"filter": pattern})

    async def _request(self, method: str, path: str, query: dict[str, str] | None) -> str:
        try:
            async with self._session.request(
                method, self._base + path, params=query, timeout=ADMIN_TIMEOUT
            ) as answer:
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AdminUnreachable(f"the sidecar's admin {self._base} does not answer: {error!r}") from error
