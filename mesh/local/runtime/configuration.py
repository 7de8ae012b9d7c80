"""All that is declared: watched files, what was applied over them, what the mesh's own processes add."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mesh.local import templates
from mesh.local.check import Judged
from mesh.local.model import Config, Finding, InvalidConfig, Resource
from mesh.local.runtime import applied, held, order, podcheck
from mesh.local.runtime.applied import Key, Word, digest
from mesh.local.runtime.sources import Declared
from mesh.local.runtime.workload import timed, workloads

Validate = Callable[[Sequence[Resource], Judged], tuple[Config, list[Finding]]]

KINDS_OF_PODS = (*templates.PATHS, "ConfigMap", "Secret", "PersistentVolumeClaim")
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
            pods = podcheck.findings([*everything, *timed(config)], config)
            self._findings = [*order.findings(everything), *pods]
            self._made_of, self._overrides = made_of, dict(overrides)
        return self._findings


class Configuration:
    """Judges the whole of what is declared, with what was said over it, by `validate`."""

    def __init__(self, declared: Declared, validate: Validate) -> None:
        self._declared = declared
        self._validate = validate
        self._judged = Judged()
        self._tried = Tried()

    def declared(self) -> list[Resource]:
        """Raises InvalidConfig with everything that is wrong in it."""
        return self._declared.read()

    def candidate(
        self, words: applied.Words, overrides: Mapping[str, Any], spoken: Collection[Key] = ()
    ) -> Candidate:
        """What is declared with `words` over it, those just `spoken` among them, judged as a whole.

        Raises InvalidConfig.
        """
        merged, still = applied.merge(self.declared(), words)
        config, findings = self._validate(merged, self._judged)
        if self._declared.makes_pods and not any(finding.level == "error" for finding in findings):
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
