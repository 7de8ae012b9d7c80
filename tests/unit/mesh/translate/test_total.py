"""Whatever the schemas accept is translated: purely, the same each time, never with an exception."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mesh.local import files, snapshot
from mesh.local.check import validate
from mesh.local.explain import explain
from mesh.local.model import Config, Resource, Snapshot
from mesh.local.schema.kinds import SUPPORTED
from mesh.local.schema.language import Later, ListOf, MapOf, Message, Type
from mesh.local.schema.mesh_config import MESH_CONFIG
from tests.unit.mesh.generated.configurations import KINDS, configurations, refused
from tests.unit.mesh.generated.shapes import STRATEGIES, WHOLE, errors, resource
from tests.unit.mesh.generated.texts import EVERYTHING
from tests.unit.mesh.translate.world import PROXIES, known

ANYTHING = st.sampled_from([*EVERYTHING, 0, -1, 1.5, 2**40, True, {}, [], [{}], {"a": "b"}])
REQUESTS = (("client", "http://reviews/a?b"), ("gateway", "http://a.example.com/"))


def translations(resources: Sequence[Resource]) -> dict[str, Snapshot] | None:
    """What every proxy is told, or None for a configuration that is refused."""
    config, findings = validate(resources)
    assert all(found.message and found.line for found in findings)
    if any(found.level == "error" for found in findings):
        return None
    registry = known(config)
    return {name: snapshot.build(proxy, config, registry, {}) for name, proxy in PROXIES.items()}


@given(configurations())
def test_every_translation_is_pure_and_total(resources: list[Resource]) -> None:
    before = copy.deepcopy([each.body for each in resources])
    assert [reason for each in resources for reason in refused(each)] == []
    made = translations(resources)
    if made is None:
        return
    assert made == translations(resources[::-1])
    for each in made.values():
        assert files.contents(each)
    config = Config(resources)
    for name, url in REQUESTS:
        assert explain(PROXIES[name], config, known(config), {}, method="GET", url=url, headers={}).reason
    assert [each.body for each in resources] == before


@given(configurations(), st.data())
def test_what_is_no_longer_valid_is_refused_and_what_still_is_translated(
    resources: list[Resource], data: st.DataObject
) -> None:
    """Generated configurations with values that their fields are not made for."""
    spoilt = copy.deepcopy(resources)
    for _ in range(data.draw(st.integers(1, 3))):
        places = [place for each in spoilt if "spec" in each.body for place in _places(each.body["spec"])]
        if not places:
            return
        parent, key = data.draw(st.sampled_from(places))
        parent[key] = data.draw(ANYTHING)
    for each in (translations(spoilt) or {}).values():
        assert files.contents(each)


def test_every_type_of_the_tables_can_be_generated() -> None:
    """A type that has no strategy takes some plain value; else `shapes.py` has to be told of it."""
    judged = resource("Gateway", "v1", "default", "any", {"spec": {}})
    tables = [SUPPORTED[kind].schema.fields["spec"] for kind in KINDS]
    strange = {
        each for table in [*tables, MESH_CONFIG] for each in _types(table) if type(each) not in STRATEGIES
    }
    values = [*EVERYTHING, *WHOLE, True]
    assert [each for each in strange if all(errors(each, value, judged) for value in values)] == []


def _types(type_: Type) -> Iterator[Type]:
    """A type and all inside it, but for what is refused anyway."""
    yield type_
    inside: list[Type] = []
    match type_:
        case Message():
            inside = list(type_.fields.values())
        case ListOf():
            inside = [type_.item]
        case MapOf():
            inside = [type_.value]
    for each in inside:
        if not isinstance(each, Later):
            yield from _types(each)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list inside with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
