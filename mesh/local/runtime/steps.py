"""In which order the files of a proxy change so that no request meets a gap (pure).

Make before break: what is referred to is in force before what refers to it, and is taken away after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from mesh.local import files
from mesh.local.model import Json, Snapshot


@dataclass(frozen=True)
class Rendered:
    """A snapshot, the form of it that is served, and the bytes of its files, made once."""

    snapshot: Snapshot
    served: Snapshot
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Rendered:
        served = inlined(snapshot)
        return cls(snapshot, served, files.contents(served))

    @property
    def version(self) -> str:
        """One short text for the whole, equal for equal snapshots."""
        whole = hashlib.sha256(b"".join(self.contents[name] for name in sorted(self.contents)))
        return whole.hexdigest()[:12]


def inlined(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the endpoints inside their clusters.

    Envoy takes an inotify instance for every file it watches, and Linux gives a user 128: a file per
    cluster would end at five sidecars. A cluster that changes is replaced without losing a request.
    """
    clusters = {
        name: _static(cluster, snapshot.endpoints[name])
        if cluster.get("type") == "EDS" and name in snapshot.endpoints
        else cluster
        for name, cluster in snapshot.clusters.items()
    }
    return Snapshot(clusters, {}, snapshot.listeners, snapshot.routes)


def _static(cluster: Json, assignment: Json) -> Json:
    kept = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**kept, "type": "STATIC", "load_assignment": assignment}


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
    union = files.response("Cluster", {**old.served.clusters, **new.served.clusters})
    found = [
        _clusters(old, union),
        _routes(old, changed),
        _listeners(old, new, changed),
        _removals(new, union, gone),
    ]
    return [step for step in found if step is not None]


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
