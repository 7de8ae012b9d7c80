"""The mounted file that a runtime configuration stands in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

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
        self._offer(self._content())

    async def followed(self) -> None:
        """Look again and again; by its path, since the kubelet exchanges the folder that `..data` names."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._offer(await asyncio.to_thread(self._content))

    def _offer(self, found: bytes | None) -> None:
        if found is not None and found != self._known:
            self._known = found
            self._live.offer(found.decode(errors="replace"))

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None
