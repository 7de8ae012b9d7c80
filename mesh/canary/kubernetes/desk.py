"""Takes what people ask of Rollout objects, each request once, and says in `.status` where runs stand.

A request is taken when it stands in the journal folder, with its id; `.status.taken` saves looking there. So
one that is cut off in between is found there by the next controller, and not done twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mesh.canary.controller import Open
from mesh.canary.kubernetes import asked, kinds, standing
from mesh.canary.kubernetes.api import Api
from mesh.canary.kubernetes.asked import NotUnderstood
from mesh.canary.kubernetes.platform import KubernetesPlatform
from mesh.canary.kubernetes.standing import Refused, Status, Watched
from mesh.canary.platform import Away, Json, PlatformError
from mesh.canary.runs import starting
from mesh.canary.runs.fields import Manual
from mesh.canary.runs.folder import Folder, FolderError, Said, name_of
from mesh.canary.runs.gates import judge_zones
from mesh.canary.runs.journal import Began, DamagedJournal, first
from mesh.canary.runs.rollout import InvalidRollout, Rollout
from mesh.canary.runs.run import Run
from mesh.canary.signals import NoEvidence, missing_edges
from mesh.canary.views.following import NotAJournal

LOOK_S = 1.0  # no object's status is written more often

_log = logging.getLogger(__name__)


class Desk:
    """Of one namespace."""

    def __init__(
        self,
        api: Api,
        platform: KubernetesPlatform,
        folder: Folder,
        open_site: Open,
        seen: Callable[[], None] = lambda: None,
    ) -> None:
        self._api, self._platform, self._folder, self._open_site = api, platform, folder, open_site
        self._seen = seen  # called after each look that has worked
        self._watched: dict[str, Watched] = {}
        self._said: dict[str, str] = {}

    async def work(self) -> None:
        """For ever; what cannot be done now is said once and tried again."""
        while True:
            try:
                found = await self._api.all(kinds.ROLLOUT)
                self._tell("", "")
                for body in found:
                    await self._one(body)
                self._seen()
            except PlatformError as error:
                self._tell("", str(error))
            await asyncio.sleep(LOOK_S)

    async def _one(self, body: Json) -> None:
        name = str(body["metadata"]["name"])
        try:
            await self.look(body)
            self._tell(name, "")
        except (PlatformError, FolderError, DamagedJournal, NotAJournal, OSError) as error:
            self._tell(name, f"rollout {name}: {error}")

    def _tell(self, name: str, sentence: str) -> None:
        if sentence and self._said.get(name) != sentence:
            _log.warning("%s; tried again", sentence)
        self._said[name] = sentence

    async def look(self, body: Json) -> None:
        """At one object. Raises Away, and what concerns its journal."""
        stored = body.get("status") or {}
        taken, refused = list(stored.get("taken") or []), stored.get("refused")
        for take in (self._start, self._command):
            try:
                id = await take(body, taken)
            except NotUnderstood as error:
                if error.id in taken:
                    continue
                id, refused = error.id, {"id": error.id, "why": str(error)}
                _log.warning("rollout %s: request %s is refused: %s", body["metadata"]["name"], id, error)
            if id is not None:
                taken = list(standing.taken(taken, id, asked.standing(body)))
        where = await asyncio.to_thread(self._where, body)
        known = None if refused is None else Refused(id=str(refused["id"]), why=str(refused["why"]))
        made = standing.plain(msgspec.structs.replace(where, taken=tuple(taken), refused=known))
        if made != standing.kept(stored):
            await self._api.merge(kinds.ROLLOUT_STATUS, body["metadata"]["name"], {"status": made})

    async def _start(self, body: Json, taken: list[str]) -> str | None:
        """The id of a request that is new. Raises NotUnderstood, also for what is refused; Away."""
        start = asked.start(body)
        if start is None or start.id in taken:
            return None
        try:
            rollout = asked.rollout(body)
            if await asyncio.to_thread(self._has_begun, rollout, start.id):
                return start.id
            judge_zones(rollout.spec.gates)
            began = await self._begin(rollout, start)
            await asyncio.to_thread(self._folder.begin, began)
        except Away:
            raise
        except (InvalidRollout, PlatformError, FolderError) as error:
            raise NotUnderstood(start.id, str(error)) from error
        _log.info("%s begins run %s of %s", start.by, began.run, rollout.spec.service)
        return start.id

    async def _begin(self, rollout: Rollout, start: asked.Start) -> Began:
        changes = starting.Changes(start.set, start.image, start.command)
        run = self._folder.new_run()
        began = await starting.begin(self._platform, rollout, changes, run=run, by=start.by, at=time.time())
        if autoscaler := await self._platform.autoscaler(began.name):
            raise starting.NotStarted(
                f"HorizontalPodAutoscaler {autoscaler} sizes {began.name}, which a run does: delete it first"
            )
        measured = rollout.spec.measured(rollout.metadata.namespace, began.stable, began.canary)
        async with self._open_site(Run(began)) as site:
            try:
                missing = missing_edges(measured, await site.source.bounds_ms())
            except NoEvidence as error:
                raise starting.NotStarted(f"there is no evidence to be had: {error}") from None
        if missing:
            raise InvalidRollout(f"spec.slo.latencyEdgesMs: {missing}")
        return msgspec.structs.replace(began, asked=start.id)

    async def _command(self, body: Json, taken: list[str]) -> str | None:
        """As `_start`."""
        command = asked.command(body)
        if command is None or command.id in taken:
            return None
        path = await asyncio.to_thread(self._newest, body)
        if path is None:
            raise NotUnderstood(command.id, "there is no run yet")
        said = [one.id for _, one in await asyncio.to_thread(self._folder.said, path, 0)]
        if command.id in said:
            return command.id
        await asyncio.to_thread(self._judge, path, command)
        word = Said(command.verb, command.by, command.gate, command.id)
        await asyncio.to_thread(self._folder.say, path, word)
        _log.info("%s says %s %s to run %s", command.by, command.verb, command.gate, name_of(path))
        return command.id

    def _judge(self, path: Path, command: asked.Command) -> None:
        """Raises NotUnderstood for what nobody would hear."""
        if path not in self._folder.unfinished(path.parent.name):
            raise NotUnderstood(command.id, f"run {name_of(path)} has ended")
        began = first(path)
        manual = [gate.name for gate in began.rollout.spec.gates if isinstance(gate, Manual)]
        if command.verb == "approve" and command.gate not in manual:
            there = f"there are {', '.join(manual)}" if manual else "it has none"
            raise NotUnderstood(
                command.id, f"run {name_of(path)} has no manual gate {command.gate!r}: {there}"
            )

    def _runs(self, body: Json) -> list[Path]:
        """The journals of the object's service in this namespace."""
        service = (body.get("spec") or {}).get("service")
        if not isinstance(service, str) or not service:
            return []
        return [path for path in self._folder.runs(service) if path.parent.parent.name == self._api.namespace]

    def _newest(self, body: Json) -> Path | None:
        runs = self._runs(body)
        return runs[-1] if runs else None

    def _has_begun(self, rollout: Rollout, id: str) -> bool:
        body = {"spec": {"service": rollout.spec.service}}
        return any(first(path).asked == id for path in self._runs(body))

    def _where(self, body: Json) -> Status:
        path = self._newest(body)
        if path is None:
            return Status()
        name = str(body["metadata"]["name"])
        watched = self._watched.get(name)
        if watched is None or watched.path != path:
            watched = self._watched[name] = Watched(path)
        return watched.look()
