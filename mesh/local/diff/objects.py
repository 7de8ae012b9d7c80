"""Which objects two configurations do not have alike (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from mesh.local.diff.fields import Change, changes
from mesh.local.model import Config, Resource

# Workloads whose pods are made anew when their template changes.
ROLLED = ("Deployment", "StatefulSet", "DaemonSet")


class ObjectChange(msgspec.Struct, frozen=True):
    """`verb` in kubectl's words; `replaces_pods` when a workload's pods would be made anew."""

    verb: str
    kind: str
    namespace: str
    name: str
    file: str
    line: int
    fields: tuple[Change, ...] = ()
    replaces_pods: bool = False


def object_changes(before: Config, after: Config) -> list[ObjectChange]:
    return [*_gone(before, after), *_new(before, after)]


def _gone(before: Iterable[Resource], after: Config) -> Iterator[ObjectChange]:
    for resource in before:
        if after.get(*resource.key) is None:
            yield _change("deleted", resource)


def _new(before: Config, after: Iterable[Resource]) -> Iterator[ObjectChange]:
    for resource in after:
        old = before.get(*resource.key)
        if old is None:
            yield _change("created", resource)
        elif old.body != resource.body:
            found = tuple(changes(old.body, resource.body, named=False))
            templates = old.spec.get("template") != resource.spec.get("template")
            yield _change("configured", resource, found, resource.kind in ROLLED and templates)


def _change(
    verb: str, resource: Resource, fields: tuple[Change, ...] = (), replaces: bool = False
) -> ObjectChange:
    where = resource.source
    return ObjectChange(verb, *resource.key, where.file, where.line, fields, replaces)
