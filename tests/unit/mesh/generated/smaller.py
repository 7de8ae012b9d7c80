"""The smallest configuration that still shows a mistake, found by leaving things out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import yaml

from mesh.local.model import Resource

T = TypeVar("T")


def smallest(resources: Sequence[Resource], fails: Callable[[Sequence[Resource]], bool]) -> list[Resource]:
    """A part of `resources` of which nothing can be left out so that it still `fails`."""
    found = list(resources)
    while True:
        smaller = next((candidate for candidate in _candidates(found) if fails(candidate)), None)
        if smaller is None:
            return found
        found = smaller


def culprits(batch: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Iterator[T]:
    """Those of a batch that fail alone, asked in halves."""
    if not batch or not fails(batch):
        return
    if len(batch) == 1:
        yield batch[0]
        return
    middle = len(batch) // 2
    yield from culprits(batch[:middle], fails)
    yield from culprits(batch[middle:], fails)


def written(resources: Sequence[Resource]) -> str:
    """As a file has it, to be tried again."""
    return str(yaml.safe_dump_all([each.body for each in resources], sort_keys=False))


def _candidates(resources: list[Resource]) -> Iterator[list[Resource]]:
    for index in range(len(resources)):
        yield resources[:index] + resources[index + 1 :]
    for index, each in enumerate(resources):
        for said in without_a_part(_said(each)):
            yield [*resources[:index], _saying(each, said), *resources[index + 1 :]]


def without_a_part(value: Any) -> Iterator[Any]:
    """The value without one of its fields or items, the large ones first."""
    if isinstance(value, dict):
        yield from ({key: held for key, held in value.items() if key != name} for name in value)
        for name, held in value.items():
            yield from ({**value, name: part} for part in without_a_part(held))
    elif isinstance(value, list):
        yield from (value[:index] + value[index + 1 :] for index in range(len(value)))
        for index, held in enumerate(value):
            yield from ([*value[:index], part, *value[index + 1 :]] for part in without_a_part(held))


def _said(resource: Resource) -> Any:
    return json.loads(resource.body["data"]["mesh"]) if resource.kind == "ConfigMap" else resource.spec


def _saying(resource: Resource, said: Any) -> Resource:
    told = {"data": {"mesh": json.dumps(said)}} if resource.kind == "ConfigMap" else {"spec": said}
    return replace(resource, body={**resource.body, **told})
