"""The mounted file that a runtime configuration stands in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from services.kit.live.plain import MAX_BYTES
from services.kit.live.settings import Live

# A ConfigMap takes up to a minute to reach a pod's files. Looking costs next to nothing, while the kernel's
# watches are few for all processes of a machine.
LOOK_EVERY_S = 1.0


class ConfigFile:
    """The file that is followed; looked at once before anything is served."""

    def __init__(self, path: Path, live: Live[Any]) -> None:
        self._path = path
        self._live = live
        self._known: bytes | None = None

    def look(self) -> None:
        """Offer what the file has when that is new; nothing while there is no file."""
        text = self._new()
        if text is not None:
            self._live.offer(text)

    async def followed(self) -> None:
        """Look again and again; by its path, since the kubelet exchanges the folder that `..data` names."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.looked()

    async def looked(self) -> None:
        """As `look`, beside the event loop: YAML takes its time."""
        text = await asyncio.to_thread(self._new)
        if text is not None:
            self._live.settle(text, await asyncio.to_thread(self._live.judged, text))

    def _new(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                # One more than is taken: enough to see that it is too large.
                found = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        if found == self._known:
            return None
        self._known = found
        return found.decode(errors="surrogateescape")
