"""A process beside the Pods that runs while it is wanted: from a request for it until it has ended well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mesh.local.runtime.companion import Companion
from mesh.local.runtime.errors import MeshError, NotFound, NotReady
from mesh.local.runtime.process import Command, Process
from mesh.local.runtime.state import write_atomically

WANTED = "wanted"  # a file in its folder: it is to run, also after a restart of the mesh


class OnDemand(Companion):
    """A ProcessSpec that is `on_demand`; whoever wants it need not wait for it to serve."""

    _asked = False  # since its process began, which may not have seen what for
    _ending = False

    def ask(self) -> bool:
        """Want it; whether that starts it, since it does not run yet. Raises NotReady, NotWritten.

        One that runs may be about to end well without a look at what this request is for, so it is started
        once more then.
        """
        if self._ending:
            raise NotReady("the mesh ends")
        write_atomically(self.room.folder / WANTED, "")
        self._asked = True
        return self.resume()

    def resume(self) -> bool:
        """Start it if it is wanted and does not run; whether it was started."""
        if self._task is not None or not (self.room.folder / WANTED).exists():
            return False
        self.container = None
        self._task = asyncio.create_task(self._lives(), name=f"process {self.spec.name}")
        return True

    async def stop(self) -> None:
        """End it, and leave it wanted."""
        self._ending = True
        await super().stop()

    async def _lives(self) -> int:
        code = 0
        try:
            while not self._ending:
                self.container = self._contained("OnFailure", self._spawn)
                code = await self.container.run()
                if not self._asked and not self._ending:
                    (self.room.folder / WANTED).unlink(missing_ok=True)
                    break
        finally:
            self._task = None  # in one step with the look at `_asked`: no request falls between them
        return code

    async def _spawn(self, command: Command) -> Process:
        self._asked = False
        return await Process.start(command)


def named(companions: Iterable[Companion], name: str) -> OnDemand:
    """Raises NotFound, MeshError for one that runs always."""
    found = next((companion for companion in companions if companion.spec.name == name), None)
    if found is None:
        raise NotFound(f"no process of the mesh is called {name!r}")
    if not isinstance(found, OnDemand):
        raise MeshError(f"{name} runs always: it is not started on demand")
    return found
