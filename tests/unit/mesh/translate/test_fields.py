"""No field is accepted and passed over: without it, or with another value, some proxy is told another thing.

The examples are the golden inputs and `fields/*.yaml`, which has what those leave out. A new field of a table
needs an example there, or a reason in `ELSEWHERE`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh.local import resources, snapshot
from mesh.local.model import Config, Json, Resource, Snapshot
from mesh.local.schema import judge
from mesh.local.schema.http_match import StringMatch
from mesh.local.schema.kinds import SUPPORTED
from mesh.local.schema.language import Later, ListOf, MapOf, Message, Type, Unread
from mesh.local.schema.mesh_config import MESH_CONFIG
from mesh.local.schema.mesh_networks import MESH_NETWORKS
from tests.unit.mesh.generated.configurations import KINDS
from tests.unit.mesh.generated.shapes import resource
from tests.unit.mesh.translate.world import PROXIES, known

HERE = Path(__file__).parent
OWN = sorted((HERE / "fields").glob("*.yaml"))
FILES = [*sorted((HERE / "golden").glob("*.in.yaml")), *OWN]
DOCUMENTS = {"mesh": MESH_CONFIG, "meshNetworks": MESH_NETWORKS}
TABLES: dict[str, Type] = {
    **{kind: SUPPORTED[kind].schema.fields["spec"] for kind in KINDS},
    **DOCUMENTS,
}

# Fields that no proxy is told of, and why that is right.
ELSEWHERE = {
    "Gateway.servers[].bind": "what else than everywhere is refused",
    "Gateway.servers[].port.targetPort": "Istio does not read it, and a warning says so",
    "ProxyConfig.concurrency": "a proxy is started with it: test_proxy_config",
    "ProxyConfig.selector.matchLabels{}": "a proxy is started with it: test_proxy_config",
    "RequestAuthentication.jwtRules[].timeout": "the keys are fetched beforehand: test_jwks",
    "Sidecar.egress[].captureMode": "what else than DEFAULT is refused",
    "Sidecar.ingress[].captureMode": "what else than DEFAULT is refused",
    "Sidecar.ingress[].port.name": "Istio names statistics by it where MeshConfig says so, which is refused",
    "Sidecar.ingress[].port.targetPort": "what else than 0 is refused",
    "mesh.defaultConfig.concurrency": "a proxy is started with it: test_proxy_config",
    "mesh.defaultConfig.runtimeValues{}": "a proxy is started with it: test_bootstrap",
    "mesh.rootNamespace": "another one is refused",
    "mesh.trustDomain": "another one is refused",
}

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Field:
    """`steps` lead to it, each alike wherever its table is used; `path` is one such way."""

    path: str
    steps: tuple[str, ...] = ()

    def step(self, table: Type, name: str) -> Field:
        return Field(f"{self.path}.{name}", (*self.steps, f"{id(table)}.{name}"))

    def end(self, suffix: str) -> Field:
        return Field(f"{self.path}{suffix}", (*self.steps, f"{self.steps[-1]}{suffix}"))


@dataclass(frozen=True)
class Example:
    """A value that somebody wrote: in which object of a file, under which key of a ConfigMap, where."""

    file: Path
    number: int
    document: str
    place: Place


def fields(type_: Type, at: Field) -> Iterator[Field]:
    """Each field of a table that is not refused."""
    match type_:
        case Later() | Unread():
            return
        case ListOf():
            yield from fields(type_.item, at.end("[]"))
        case MapOf():
            yield from fields(type_.value, at.end("{}"))
        case StringMatch():
            yield from (at.end(f".{form}") for form in ("exact", "prefix", "regex"))
        case Message() if type_.fields:
            for name, inside in type_.fields.items():
                yield from fields(inside, at.step(type_, name))
        case _:
            yield at


def written(type_: Type, value: Any, at: Field, place: Place = ()) -> Iterator[tuple[Field, Place]]:
    """The fields of a table that an object has, and where."""
    match type_, value:
        case ((Later() | Unread()), _):
            return
        case ListOf(), list():
            for index, item in enumerate(value):
                yield from written(type_.item, item, at.end("[]"), (*place, index))
        case MapOf(), dict():
            for key, item in value.items():
                yield from written(type_.value, item, at.end("{}"), (*place, key))
        case StringMatch(), dict():
            yield from ((at.end(f".{form}"), (*place, form)) for form in value)
        case Message(), dict() if type_.fields:
            for name, item in value.items():
                yield from written(type_.fields[name], item, at.step(type_, name), (*place, name))
        case _:
            yield at, place


@cache
def objects(file: Path) -> list[Json]:
    return [body for body in yaml.safe_load_all(file.read_text()) if body]


def examples() -> Iterator[tuple[Field, Example]]:
    for file in FILES:
        for number, body in enumerate(objects(file)):
            kind = body["kind"]
            if kind in KINDS:
                for field, place in written(TABLES[kind], body.get("spec") or {}, Field(kind)):
                    yield field, Example(file, number, "", ("spec", *place))
            elif kind == "ConfigMap":
                for key, text in body["data"].items():
                    for field, place in written(DOCUMENTS[key], yaml.safe_load(text), Field(key)):
                        yield field, Example(file, number, key, place)


# One of the sidecars says where it is, as failover asks.
CLIENT = replace(PROXIES["client"], labels={"app": "client", "topology.kubernetes.io/region": "here"})
JWKS = {"https://a.example/keys": '{"keys":[{"kty":"EC"}]}'}


def told(bodies: list[Json]) -> Iterator[Snapshot]:
    """What every proxy is told, one after the other."""
    config = Config(read(body) for body in bodies)
    registry = known(config)
    for proxy in {**PROXIES, "client": CLIENT}.values():
        yield snapshot.build(proxy, config, registry, JWKS)


def read(body: Json) -> Resource:
    metadata = body["metadata"]
    namespace = metadata.get("namespace") or "default"
    return resource(body["kind"], body["apiVersion"], namespace, metadata["name"], dict(body))


@cache
def before(file: Path) -> list[Snapshot]:
    return list(told(objects(file)))


def changed(example: Example, *, left_out: bool) -> list[Json]:
    """The file's objects without the value, or with another one."""
    bodies = copy.deepcopy(objects(example.file))
    body = bodies[example.number]
    top: Any = yaml.safe_load(body["data"][example.document]) if example.document else body
    holder = top
    for step in example.place[:-1]:
        holder = holder[step]
    value = holder[example.place[-1]]
    if left_out:
        del holder[example.place[-1]]
    else:
        holder[example.place[-1]] = f"{value}x" if isinstance(value, str) else value + 1
    if example.document:
        body["data"][example.document] = yaml.dump(top)
    return bodies


def counts(example: Example) -> bool:
    for left_out in (True, False):
        try:
            now = told(changed(example, left_out=left_out))
            if any(new != old for new, old in zip(now, before(example.file), strict=False)):
                return True
        except (KeyError, TypeError, ValueError):
            continue  # no longer what validation would let through
    return False


def test_every_field_that_is_accepted_tells_some_proxy_something() -> None:
    good: set[str] = set()
    for field, example in examples():
        if not good.issuperset(field.steps) and counts(example):
            good.update(field.steps)
    every = [field for table, type_ in TABLES.items() for field in fields(type_, Field(table))]
    missing = [field.path for field in every if not good.issuperset(field.steps)]
    assert [path for path in missing if path not in ELSEWHERE] == []


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_the_examples_are_accepted(file: Path) -> None:
    findings = [found for each in resources.parse(file.read_text(), file.name) for found in judge(each)]
    assert [found for found in findings if found.level == "error"] == []


def test_what_no_proxy_is_told_of_is_still_a_field() -> None:
    every = {field.path for table, type_ in TABLES.items() for field in fields(type_, Field(table))}
    assert ELSEWHERE.keys() - every == set()
