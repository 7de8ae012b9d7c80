"""The Envoy of a pod: prepared, supervised, given certificates that are renewed in place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec

from mesh.local import bootstrap, files
from mesh.local.model import Json, Proxy
from mesh.local.runtime.admin import Admin
from mesh.local.runtime.ca import Authority, identity_secret, root_secret
from mesh.local.runtime.container import Container, Definition, Report
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.errors import NotWritten
from mesh.local.runtime.manifest import PROXY_CONTAINER
from mesh.local.runtime.probes import Action, Probe, Probes
from mesh.local.runtime.process import Command
from mesh.local.runtime.state import write_atomically

# A hung Envoy is replaced after three missed answers.
READY = Probe(Action(), period_s=1, failure_threshold=30)
ALIVE = Probe(Action(), period_s=2, timeout_s=2, failure_threshold=3)
STOP_GRACE_S = 2.0
SOON_S = 5.0  # a start that is further away is not waited for
RENEWAL_RETRY = timedelta(seconds=5)


class Sidecar:
    """One proxy's process and its certificates; its control plane supplies the rest by `delivery`."""

    def __init__(
        self,
        proxy: Proxy,
        plane: ControlPlane,
        authority: Authority,
        session: aiohttp.ClientSession,
        state: Path,
        log: Path,
        env: Mapping[str, str],
        changed: Callable[[], None],
        report: Report,
        concurrency: int = 1,
    ) -> None:
        self.proxy = proxy
        self.admin = Admin(session, proxy.admin)
        self.delivery = plane.supply(proxy, self.admin, log)
        self._authority = authority
        self._changed = changed
        self._report = report
        self._secrets: dict[str, bytes] = {}
        self._stopped = asyncio.Event()
        command = Command(tuple(bootstrap.command(proxy, concurrency)), env, state, log, state)
        definition = Definition(
            PROXY_CONTAINER,
            command,
            Probes(startup=READY, readiness=READY, liveness=ALIVE),
            "Always",
            self._attempt,
            grace_s=STOP_GRACE_S,
        )
        self.container = Container(definition, self._noticed, report)

    def prepare(self, bootstrap: Json, credentials: Mapping[str, bytes]) -> None:
        """Write what Envoy reads at its start, but for what its control plane brings."""
        certificates = (self.proxy.folder / files.secret(files.ROOT_SECRET)).parent
        certificates.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.proxy.folder / files.BOOTSTRAP, msgspec.json.encode(bootstrap))
        self._put(files.ROOT_SECRET, root_secret(files.ROOT_SECRET, self._authority.root_pem))
        self.renew()
        self.set_credentials(credentials)

    async def settled(self) -> bool:
        """Whether an Envoy that starts now or soon serves by its files; as `Delivery.settled`."""
        return await self.delivery.settled(lambda: not self.leaving and self.container.pause_s <= SOON_S)

    def renew(self) -> None:
        """Give it a new certificate, for connections that begin from now on. Raises NotWritten."""
        identity = self._authority.issue(self.proxy.principal)
        name = files.IDENTITY_SECRET
        self._put(name, identity_secret(name, identity.chain, identity.key))
        self.delivery.renewed()
        self.renew_at, self.serial = identity.renew_at, identity.serial

    @property
    def leaving(self) -> bool:
        """Its Envoy is to end for good, or has ended."""
        return self.container.stopping

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        """The SDS files of certificates that Secrets hold, by secret name; only what differs is written."""
        for name, data in credentials.items():
            self._put(name, data)

    async def run(self) -> None:
        """Run Envoy and renew its certificate until `stop`."""
        rotation = asyncio.create_task(self._rotate())
        try:
            if await self._supplied():
                await self.container.run()
        finally:
            rotation.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await rotation

    async def stop(self) -> None:
        self._stopped.set()
        await self.container.stop()

    async def _supplied(self) -> bool:
        """Wait until there is something for Envoy to start with; false when it is not to start any more."""
        self._changed()  # whoever supplies it hears of it by this
        waits = [asyncio.create_task(self.delivery.expected()), asyncio.create_task(self._stopped.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._stopped.is_set()

    def _noticed(self) -> None:
        if self.container.pid is None:
            self.delivery.died()
        elif self.container.ending:
            self.delivery.ended()
        elif self.container.ready:
            self.delivery.began()
        self._changed()

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(max(0.05, (self.renew_at - datetime.now(UTC)).total_seconds()))
            try:
                self.renew()
            except NotWritten as error:
                self._report(f"its certificate is not renewed, trying again: {error}")
                self.renew_at = datetime.now(UTC) + RENEWAL_RETRY

    def _put(self, name: str, data: bytes) -> None:
        if self._secrets.get(name) != data:
            write_atomically(self.proxy.folder / files.secret(name), data)
            self._secrets[name] = data

    async def _attempt(self, _: Action, timeout_s: float) -> str | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if not await self.admin.live():
                    return "Envoy's admin does not say LIVE"
                return None if self.delivery.live.is_set() else await self.delivery.unread()
        return "Envoy's admin does not answer"
