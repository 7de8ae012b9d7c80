"""In which order the files of a proxy change so that no request meets a gap (pure).

Make before break: what is referred to is in force before what refers to it, and is taken away after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from mesh.local import files
from mesh.local.model import Snapshot


@dataclass(frozen=True)
class Rendered:
    """A snapshot with the bytes of its files, made once. Endpoints stand inside their clusters."""

    snapshot: Snapshot
    contents: Mapping[str, bytes]

    @classmethod
    def of(
        cls, snapshot: Snapshot, before: Rendered | None = None, alike: files.Alike | None = None
    ) -> Rendered:
        """`before`: what was rendered last, whose bytes serve again where the very same objects stand."""
        known = before.contents if before is not None else {}
        kept = {}
        if before is not None and snapshot.clusters is before.snapshot.clusters:
            kept[files.CLUSTERS] = known[files.CLUSTERS]
        if before is not None and snapshot.listeners is before.snapshot.listeners:
            kept[files.LISTENERS] = known[files.LISTENERS]
        return cls(snapshot, files.contents(snapshot, kept, alike))

    @property
    def version(self) -> str:
        """One short text for the whole, equal for equal snapshots."""
        whole = hashlib.sha256(b"".join(self.contents[name] for name in sorted(self.contents)))
        return whole.hexdigest()[:12]


@dataclass(frozen=True)
class Step:
    """Files to move into place at once, then the versions to wait for; `remove` needs no waiting."""

    write: Mapping[str, bytes]
    versions: frozenset[str]
    remove: tuple[str, ...] = ()


def steps(old: Rendered, new: Rendered) -> list[Step]:
    """Clusters, routes, listeners, and last what is gone; [] when nothing differs."""
    changed = {name: data for name, data in new.contents.items() if old.contents.get(name) != data}
    gone = tuple(name for name in old.contents if name not in new.contents)
    union = _union(old, new)
    found = [
        _clusters(old, union),
        _routes(old, changed),
        _listeners(old, new, changed),
        _removals(new, union, gone),
    ]
    return [step for step in found if step is not None]


def _union(old: Rendered, new: Rendered) -> bytes:
    """The clusters of both."""
    if old.snapshot.clusters is new.snapshot.clusters:
        return old.contents[files.CLUSTERS]
    return files.response("Cluster", {**old.snapshot.clusters, **new.snapshot.clusters})


def _clusters(old: Rendered, union: bytes) -> Step | None:
    if union == old.contents[files.CLUSTERS]:
        return None
    return Step({files.CLUSTERS: union}, frozenset({files.version(union)}))


def _routes(old: Rendered, changed: Mapping[str, bytes]) -> Step | None:
    write = {name: data for name, data in changed.items() if name.startswith("rds/")}
    watched = {files.routes(name) for name in old.snapshot.routes}
    versions = frozenset(files.version(data) for name, data in write.items() if name in watched)
    return Step(write, versions) if write else None


def _listeners(old: Rendered, new: Rendered, changed: Mapping[str, bytes]) -> Step | None:
    if files.LISTENERS not in changed:
        return None
    fresh = {files.routes(name) for name in new.snapshot.routes.keys() - old.snapshot.routes.keys()}
    awaited = {files.LISTENERS, *fresh}
    write = {files.LISTENERS: changed[files.LISTENERS]}
    return Step(write, frozenset(files.version(new.contents[name]) for name in awaited))


def _removals(new: Rendered, union: bytes, gone: tuple[str, ...]) -> Step | None:
    final = new.contents[files.CLUSTERS]
    if final != union:
        return Step({files.CLUSTERS: final}, frozenset({files.version(final)}), remove=gone)
    return Step({}, frozenset(), remove=gone) if gone else None
