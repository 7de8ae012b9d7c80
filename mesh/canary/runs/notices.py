"""Tells people what happens in a run: a POST as Slack, and what understands its web hooks, takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from mesh.canary.runs.journal import Began, Ended, Entered, Event, Gated, Overwritten, Replaced
from mesh.canary.runs.rollout import told

# What nobody takes is not kept for ever, and a rollout waits for no messenger.
TIMEOUT = aiohttp.ClientTimeout(total=10)
WAITING = 100

_log = logging.getLogger(__name__)


def sentence(began: Began, event: Event) -> str | None:
    """What a person should hear of the event; None for what only the journal needs."""
    spec = began.rollout.spec
    who = f"{began.rollout.metadata.namespace}/{spec.service} ({began.run})"
    match event:
        case Began():
            return f"{who}: {event.by} begins to roll revision {event.revision} out"
        case Entered(stage="mirroring"):
            return f"{who}: the canary gets copies of requests"
        case Entered(stage="promoting") if spec.strategy == "blueGreen" and not spec.dry_run:
            return f"{who}: the canary gets all requests at once: {event.why}"
        case Entered(stage="stepping"):
            return f"{who}: the canary gets its first requests"
        case Entered(stage="retreating"):
            return f"{who}: the canary is taken back: {event.why}"
        case Overwritten():
            return f"{who}: somebody else has changed the weights"
        case Replaced():
            return f"{who}: pod {event.pod} had nearly all {event.errors} errors and is replaced"
        case Gated(open=False):
            return f"{who}: gate {event.gate} is closed: {event.why}"
        case Ended():
            return f"{who}: {event.verdict.replace('_', ' ')}: {event.reason}"
        case _:
            return None


class Notices:
    """Sends what happens in one run, in its order, behind the run's back."""

    def __init__(self, client: aiohttp.ClientSession, began: Began) -> None:
        self._client = client
        self._began = began
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING)

    def tell(self, event: Event) -> None:
        """Returns at once; what is too much is dropped, and said in the log."""
        if not self._began.rollout.spec.notify or (text := sentence(self._began, event)) is None:
            return
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            _log.warning("a notice is dropped, %d wait: %s", WAITING, text)

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        """Send while inside; what waits at the end still goes out, if it goes within its timeout."""
        sending = asyncio.create_task(self._send(self._began.rollout.spec.notify))
        try:
            yield
            await asyncio.wait({asyncio.create_task(self._waiting.join())}, timeout=TIMEOUT.total)
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _send(self, urls: Sequence[str]) -> None:
        while True:
            text = await self._waiting.get()
            for url in urls:
                await self._post(url, text)
            self._waiting.task_done()

    async def _post(self, url: str, text: str) -> None:
        try:
            async with self._client.post(
                url, json={"text": text}, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    _log.warning("%s answered a notice with %d", told(url), answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            _log.warning("%s takes no notice: %s", told(url), type(error).__name__)
