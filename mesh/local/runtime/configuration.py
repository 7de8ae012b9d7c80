"""All that is declared: watched files, what was applied over them, what the mesh's own processes add."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mesh.local import resources
from mesh.local.check import Judged, validate
from mesh.local.model import Config, Finding, InvalidConfig, Resource
from mesh.local.runtime import applied, held, order, podcheck
from mesh.local.runtime.applied import Key, Word, digest
from mesh.local.runtime.manifest import workloads

KINDS_OF_PODS = ("Deployment", "Job", "ConfigMap", "Secret")
Verb = Literal["created", "configured", "deleted", "unchanged"]


@dataclass(frozen=True)
class Change:
    """What became of one object, in kubectl's words."""

    kind: str
    namespace: str
    name: str
    verb: Verb

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind.lower()}/{self.name} {self.verb}{where}"


@dataclass(frozen=True)
class Candidate:
    """A valid configuration that could come into force; `warnings` are doubts about it."""

    config: Config
    words: Mapping[Key, Word]
    warnings: tuple[Finding, ...]


class Tried:
    """What was found in the pods to run, for as long as all that they are made of is the very same."""

    def __init__(self) -> None:
        self._made_of: list[Resource] = []
        self._overrides: Mapping[str, Any] = {}
        self._findings: list[Finding] = []

    def findings(self, config: Config, overrides: Mapping[str, Any]) -> list[Finding]:
        """One error per workload that cannot be run or would wait for ever."""
        made_of = [resource for kind in KINDS_OF_PODS for resource in config.of(kind)]
        same = len(made_of) == len(self._made_of) and all(map(operator.is_, made_of, self._made_of))
        if not same or overrides != self._overrides:
            everything = workloads(config, overrides)
            self._findings = [*order.findings(everything), *podcheck.findings(everything, config)]
            self._made_of, self._overrides = made_of, dict(overrides)
        return self._findings


class Configuration:
    """Reads the sources and judges the whole; holds nothing but what it has parsed."""

    def __init__(self, sources: Sequence[Path], own: Sequence[Resource] = ()) -> None:
        self.sources = tuple(sources)
        self._own = tuple(own)
        self._judged = Judged()
        self._parsed: dict[Path, tuple[str, list[Resource]]] = {}
        self._tried = Tried()

    def declared(self) -> list[Resource]:
        """What the files say now. Raises InvalidConfig with everything that is wrong in any of them."""
        found: list[Resource] = list(self._own)
        findings: list[Finding] = []
        parsed: dict[Path, tuple[str, list[Resource]]] = {}
        for file in self._files(findings):
            try:
                text = resources.read_text(file)
                known = self._parsed.get(file)
                parsed[file] = known if known and known[0] == text else (text, _parse(text, file))
                found += parsed[file][1]
            except InvalidConfig as error:
                findings += error.findings
        findings += resources.duplicates(found)
        if findings:
            raise InvalidConfig(findings)
        self._parsed = parsed
        return found

    def candidate(
        self, words: applied.Words, overrides: Mapping[str, Any], spoken: Collection[Key] = ()
    ) -> Candidate:
        """The files with `words` over them, those just `spoken` among them, judged as a whole.

        Raises InvalidConfig.
        """
        merged, still = applied.merge(self.declared(), words)
        config, findings = validate(merged, self._judged)
        if not any(finding.level == "error" for finding in findings):
            findings = [*findings, *self._tried.findings(config, overrides)]
        if any(finding.level == "error" for finding in findings):
            errors = [finding for finding in findings if finding.level == "error"]
            raise InvalidConfig([*held.explained(errors, held.without(still, spoken))])
        return Candidate(config, still, tuple(findings))

    def said(self, words: applied.Words, spoken: Iterable[Resource], *, delete: bool) -> dict[Key, Word]:
        """`words` after an apply or a delete of the resources `spoken`."""
        declared = {resource.key: resource for resource in self.declared()}
        after = dict(words)
        for resource in spoken:
            over = digest(declared.get(resource.key))
            if not delete and over == digest(resource):
                after.pop(resource.key, None)  # the file says so itself
            else:
                after[resource.key] = Word(None if delete else resource, over)
        return after

    def _files(self, findings: list[Finding]) -> Iterator[Path]:
        for source in self.sources:
            try:
                yield from resources.files_of(source)
            except InvalidConfig as error:
                findings += error.findings


def changes(before: Iterable[Resource], after: Iterable[Resource]) -> list[Change]:
    """What differs between two configurations, object by object."""
    old = {resource.key: resource for resource in before}
    new = {resource.key: resource for resource in after}
    found = [Change(*key, "deleted") for key in old if key not in new]
    for key, resource in new.items():
        if key not in old:
            found.append(Change(*key, "created"))
        elif old[key].body != resource.body:
            found.append(Change(*key, "configured"))
    return found


def _parse(text: str, file: Path) -> list[Resource]:
    return resources.parse(text, str(file))
