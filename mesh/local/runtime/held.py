"""What stands over the watched files: objects that were applied, deleted or scaled (pure).

A held object outlives restarts of the mesh, so that whoever looks at the files alone would not understand
what runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mesh.local.model import Config, Finding
from mesh.local.runtime.applied import Key, Word, Words
from mesh.local.runtime.overrides import key_of, reference
from mesh.local.runtime.workload import declared_replicas

Entries = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Held:
    """One object over the files; `what` is `applied`, `deleted` or `scaled to N`, `source` a `FILE:LINE`."""

    kind: str
    namespace: str
    name: str
    what: str
    source: str = ""

    @property
    def key(self) -> Key:
        return (self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where} ({self.what}{f' from {self.source}' if self.source else ''})"


def held(words: Words, entries: Entries, config: Config | None = None) -> list[Held]:
    """Everything that is held; `config`, where it is known, tells which scaled counts still count."""
    found = [_said(key, word) for key, word in words.items()]
    return sorted([*found, *_scaled(entries, config)], key=lambda one: one.key)


def _said(key: Key, word: Word) -> Held:
    if word.resource is None:
        return Held(*key, "deleted")
    source = word.resource.source
    return Held(*key, "applied", f"{source.file}:{source.line}")


def _scaled(entries: Entries, config: Config | None) -> Iterator[Held]:
    for written, entry in entries.items():
        if "replicas" not in entry or entry["replicas"] == entry.get("declared"):
            continue
        if config is not None:
            declared = config.get(*key_of(written))
            if declared is None or entry.get("declared") != declared_replicas(declared):
                continue
        yield Held(*key_of(written), f"scaled to {entry['replicas']}")


def told(found: Iterable[Held]) -> str:
    """The sentence for people about what is held; "" when nothing is."""
    every = [str(one) for one in found]
    if not every:
        return ""
    count = "1 object" if len(every) == 1 else f"{len(every)} objects"
    return f"{count} held over the files by an earlier apply/delete/scale: {', '.join(every)}; {FREED}"


FREED = "`delinkcious mesh reset --all` lets the files rule again"


def without(words: Words, keys: Collection[Key]) -> dict[Key, Word]:
    return {key: word for key, word in words.items() if key not in keys}


def unscaled(entries: Entries, keys: Collection[Key]) -> dict[str, dict[str, Any]]:
    """The overrides without the scaled counts of these objects; restarts stay, which are no state."""
    freed = {reference(key) for key in keys}
    kept = {}
    for written, entry in entries.items():
        if written in freed:
            entry = {name: value for name, value in entry.items() if name not in ("replicas", "declared")}
        if entry:
            kept[written] = dict(entry)
    return kept


def explained(findings: Iterable[Finding], words: Words) -> Iterator[Finding]:
    """Findings that tell which are about an object that is held, and what else is held beside them."""
    named = set()
    for found in findings:
        key = next((key for key in words if (key[0], _name(key)) == (found.kind, found.name)), None)
        if key is None or words[key].resource is None:
            yield found
        else:
            named.add(key)
            how = (
                f"the form that an earlier `mesh apply` holds over the files; {_freeing(key)} lets them rule"
            )
            yield replace(found, message=f"{found.message} ({how})")
    for key, word in words.items():
        if key not in named:
            if word.resource is None:
                why = f"a file has it, but `mesh delete` took it away; {_freeing(key)} brings it back"
            else:
                why = f"`mesh apply` holds another form of it over the files; {_freeing(key)} lets them rule"
            yield Finding("warning", "the mesh", 0, key[0], _name(key), "", why)


def _name(key: Key) -> str:
    return f"{key[1]}/{key[2]}" if key[1] else key[2]


def _freeing(key: Key) -> str:
    where = f" -n {key[1]}" if key[1] not in ("", "default") else ""
    return f"`delinkcious mesh reset {key[0].lower()}/{key[2]}{where}`"
