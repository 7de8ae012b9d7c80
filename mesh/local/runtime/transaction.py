"""Changes of the configuration, one at a time: judged as a whole, in force everywhere or nowhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.local.model import Config, Finding, Resource
from mesh.local.runtime import applied, held, versions
from mesh.local.runtime.applied import Key, Word
from mesh.local.runtime.configuration import Candidate, Change, Configuration, changes
from mesh.local.runtime.errors import NotFound, NotWritten
from mesh.local.runtime.manifest import Refused

if TYPE_CHECKING:
    from mesh.local.runtime.mesh import Mesh


@dataclass(frozen=True)
class Outcome:
    """What a change did.

    `effective_ms` is the time until every sidecar had it, `drained_ms` until no connection from before it
    was left; None when none had to end.
    """

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    effective_ms: float
    drained_ms: float | None

    def __str__(self) -> str:
        what = ", ".join(str(change) for change in self.changes) or "nothing changed"
        after = f"; older connections ended after {self.drained_ms:.0f} ms" if self.drained_ms else ""
        return f"{what} (effective after {self.effective_ms:.1f} ms{after})"


# A doubt wherever it stands by now: kind, name, field and message.
Doubt = tuple[str, str, str, str]


def _doubt(warning: Finding) -> Doubt:
    return warning.kind, warning.name, warning.field, warning.message


class Transactions:
    """The one way in which a running mesh's configuration changes."""

    def __init__(self, mesh: Mesh, configuration: Configuration) -> None:
        self.words: Mapping[Key, Word] = {}
        self._doubts: frozenset[Doubt] = frozenset()
        self._mesh = mesh
        self._configuration = configuration
        self._lock = asyncio.Lock()

    def begin(self, first: Candidate) -> None:
        """Go on from what a start has brought into force and told."""
        self.words = first.words
        self._doubts = frozenset(map(_doubt, first.warnings))

    async def reread(self, since: float) -> Outcome:
        """Take over the watched files as they are now; `since` is when they changed, by the monotonic clock.

        Raises:
            InvalidConfig: they are wrong, and nothing has changed.
            Unanswered: a sidecar neither answers nor ends; nothing has changed, another try may do it.
            DeliveryFailed: a sidecar refused it or did not take it, and nothing has changed.
            NotWritten: the disk takes no more, and nothing has changed.
        """
        return await self._change(lambda: self.words, (), since)

    async def apply(
        self,
        spoken: Sequence[Resource],
        expected: Mapping[Key, str] = MappingProxyType({}),
        instead_of: Collection[Key] = (),
    ) -> Outcome:
        """Put resources above the files, in one step with letting the files rule again over `instead_of`.

        Raises Conflict when one of `expected` has another version by now, and as `reread`.
        """

        def words() -> applied.Words:
            if expected:
                # In force now, and once the files are taken over as somebody may just have saved them.
                merged, _ = applied.merge(self._configuration.declared(), self.words)
                for config in (self._mesh.desired.config, Config(merged)):
                    versions.judge(expected, config, self._mesh.overrides.entries)
            return self._configuration.said(held.without(self.words, instead_of), spoken, delete=False)

        return await self._change(words, spoken, _now())

    def rehearse(self, spoken: Sequence[Resource]) -> Candidate:
        """What would be in force if resources were applied; nothing changes. Raises InvalidConfig."""
        said = self._configuration.said(self.words, spoken, delete=False)
        new = [key for key, word in said.items() if self.words.get(key) != word]
        return self._configuration.candidate(said, self._mesh.overrides.entries, new)

    async def delete(self, spoken: Sequence[Resource]) -> Outcome:
        """Take resources away, also those that stand in files. Raises NotFound, and as `reread`."""

        def words() -> applied.Words:
            config = self._mesh.desired.config
            missing = [resource for resource in spoken if config.get(*resource.key) is None]
            if missing:
                raise NotFound("; ".join(f"{resource} does not exist" for resource in missing))
            return self._configuration.said(self.words, spoken, delete=True)

        return await self._change(words, (), _now())

    async def reset(self, keys: Collection[Key]) -> Outcome:
        """Let the files rule over these objects again. Raises as `reread`."""
        return await self._change(lambda: held.without(self.words, keys), (), _now(), keys)

    async def _change(
        self,
        words: Callable[[], applied.Words],
        spoken: Sequence[Resource],
        since: float,
        freed: Collection[Key] = (),
    ) -> Outcome:
        mesh = self._mesh
        async with self._lock:
            said = words()
            new = [key for key, word in said.items() if self.words.get(key) != word]
            entries = held.unscaled(mesh.overrides.entries, freed)
            candidate = self._configuration.candidate(said, entries, new)
            before = mesh.desired.config
            found = changes(before, candidate.config)
            delivered = await mesh.desired.switch(candidate.config)
            effective_ms = (_now() - since) * 1000
            await self._keep(candidate, before)
            if freed:
                mesh.overrides.replace(held.unscaled(mesh.overrides.entries, freed))
            if any(change.kind in ("ConfigMap", "Secret") for change in found):
                self._refresh_volumes()
            mesh.controller.want(candidate.config, mesh.overrides.entries)
        drained_ms = None
        if delivered.draining:
            await mesh.desired.drained(delivered)
            drained_ms = (_now() - since) * 1000
        changed = {(change.kind, change.namespace, change.name) for change in found}
        found += [Change(*resource.key, "unchanged") for resource in spoken if resource.key not in changed]
        warnings = self._told(candidate, spoken)
        warnings += [f"pod {key} is still starting, and has not read it" for key in delivered.unread]
        outcome = Outcome(tuple(found), tuple(warnings), effective_ms, drained_ms)
        if any(change.verb != "unchanged" for change in found):
            mesh.report(str(outcome))
        return outcome

    def _told(self, candidate: Candidate, spoken: Sequence[Resource]) -> list[str]:
        """The doubts that this change brings, and those about what was said; the others were told before."""
        about = {(resource.kind, f"{resource.namespace}/{resource.name}") for resource in spoken}
        before, self._doubts = self._doubts, frozenset(map(_doubt, candidate.warnings))
        return [
            str(warning)
            for warning in candidate.warnings
            if _doubt(warning) not in before or (warning.kind, warning.name) in about
        ]

    async def _keep(self, candidate: Candidate, before: Config) -> None:
        """Write down what was said; what cannot be kept over a restart is taken back."""
        if candidate.words != self.words:
            try:
                applied.save(self._mesh.state.applied, candidate.words)
            except NotWritten:
                await self._mesh.desired.switch(before)
                raise
            self.words = candidate.words

    def _refresh_volumes(self) -> None:
        for key, pod in self._mesh.controller.pods.items():
            if pod.stopping or pod.failure:
                continue
            try:
                pod.refresh_volumes()
            except (NotWritten, OSError, Refused) as error:  # as a kubelet does, it leaves them as they were
                self._mesh.report(f"pod {key}: its volumes are not refreshed: {error}")


def _now() -> float:
    return time.monotonic()
