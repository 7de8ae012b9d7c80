"""A strategy for every type of the schemas, so that a field that joins a table is generated at once.

A message is drawn field by field and judged by its own rules; what they refuse is taken out again, until
nothing is refused or too little is left: then it is `UNFIT`, and whatever holds it does without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mesh.local.model import Json, Resource, Source
from mesh.local.schema.duration import Duration
from mesh.local.schema.http_match import StringMatch
from mesh.local.schema.http_policies import Percent
from mesh.local.schema.language import (
    Bool,
    Enum,
    Int,
    Later,
    ListOf,
    MapOf,
    Message,
    Number,
    Text,
    Type,
    Unread,
)
from mesh.local.schema.report import At, Report
from tests.unit.mesh.generated.texts import EVERYTHING, accepted, usual

UNFIT = object()
DURATIONS = ("5s", "1ms", "0s", "1h30m", "0.25s", "87600h", "2562047h")
WHOLE = (1, 2, 50, 80, 200, 503, 8080, 8443, 9000, 65537)
MOST_ITEMS = 3
# A message says little without these.
TELLING = frozenset(
    """
    action address authority body destination egress endpoints fault from headers host hosts http ingress
    issuer jwks labels match matchLabels mode operation percentage port ports provider resolution route rules
    selector servers set sniHosts source spec status subsets tls to trafficPolicy uri value values when
    """.split()  # noqa: SIM905 - a list would be a page
)

# Made once each: a strategy costs more to make than to draw from.
CHOICE = cache(st.sampled_from)
NUMBER = cache(st.integers)
BOOLEAN = st.booleans()
Draw = Callable[[st.SearchStrategy[Any]], Any]
Place = tuple[str, ...]


def errors(type_: Type, value: Any, resource: Resource) -> int:
    """How much of `value` is refused."""
    report = Report(resource)
    type_.check(value, At(report, ("spec",)))
    return sum(found.level == "error" for found in report.findings)


def drawn(draw: Draw, type_: Type, place: Place, resource: Resource) -> Any:
    """A value of the type that its rules accept, or UNFIT. `place` are the names of the fields around it."""
    strategy: Callable[..., Any] = STRATEGIES.get(type(type_), _whatever_fits)
    return strategy(draw, type_, place, resource)


def _whatever_fits(draw: Draw, type_: Type, place: Place, resource: Resource) -> Any:
    """Of a type that has no strategy of its own: a text, a number or a truth that it accepts."""
    key = (id(type_), resource.kind)
    if key not in _FITTING:
        values = (*usual(place, None), *EVERYTHING, *WHOLE, True, False)
        _FITTING[key] = tuple(value for value in values if not errors(type_, value, resource))
    return draw(CHOICE(_FITTING[key])) if _FITTING[key] else UNFIT


def _bool(draw: Draw, *_: Any) -> bool:
    return bool(draw(BOOLEAN))


def _enum(draw: Draw, type_: Enum, *_: Any) -> str:
    return str(draw(CHOICE(type_.values)))


def _unfit(*_: Any) -> object:
    return UNFIT


def _unread(*_: Any) -> Json:
    return {"anything": [1, "a"]}


def _duration(draw: Draw, type_: Duration, *_: Any) -> str:
    return str(draw(CHOICE(tuple(text for text in DURATIONS if type_.zero or text != "0s"))))


def _percent(draw: Draw, *_: Any) -> Json:
    return {"value": draw(CHOICE((0, 0.0001, 0.5, 50, 99.99, 100)))}


def _match(draw: Draw, type_: StringMatch, place: Place, resource: Resource) -> Any:
    form = draw(CHOICE(("exact", "prefix", "regex")))
    value = {form: _text(draw, Text(), (*place, form) if form == "regex" else place)}
    return UNFIT if errors(type_, value, resource) else value


def _text(draw: Draw, type_: Text, place: Place, *_: Any) -> Any:
    """Mostly what is usual there, sometimes anything that the rule accepts."""
    likely, possible = usual(place, type_.rule), accepted(type_.rule)
    if likely and draw(NUMBER(0, 7)):
        return draw(CHOICE(likely))
    return draw(CHOICE(possible)) if possible else UNFIT


def _whole(draw: Draw, type_: Int, *_: Any) -> int:
    likely = [*WHOLE, type_.low, type_.low + 1, type_.high]
    return int(draw(CHOICE(tuple(number for number in likely if type_.low <= number <= type_.high))))


def _number(draw: Draw, type_: Number, *_: Any) -> float:
    likely = [1, 0.01, 50, 33.333, type_.low, type_.high]
    return float(draw(CHOICE(tuple(number for number in likely if type_.low <= number <= type_.high))))


def _list(draw: Draw, type_: ListOf, place: Place, resource: Resource) -> Any:
    length = draw(NUMBER(max(1, type_.least), min(MOST_ITEMS, type_.most))) if type_.most else 0
    items = [drawn(draw, type_.item, place, resource) for _ in range(length)]
    kept = [item for item in items if item is not UNFIT]
    return UNFIT if len(kept) < type_.least or (items and not kept) else kept


def _map(draw: Draw, type_: MapOf, place: Place, resource: Resource) -> Any:
    made = {}
    for _ in range(draw(NUMBER(0, 2))):
        key = _text(draw, Text(type_.key), (*place, "key of a map"))
        value = drawn(draw, type_.value, place, resource)
        if key is not UNFIT and value is not UNFIT:
            made[key] = value
    return made


def _message(draw: Draw, type_: Message, place: Place, resource: Resource) -> Any:
    value: Json = {}
    for name in _chosen(draw, type_):
        made = drawn(draw, type_.fields[name], (*place, name), resource)
        if made is not UNFIT:
            value[name] = made
        elif name in type_.required:
            return UNFIT
    return mended(type_, value, resource)


def _chosen(draw: Draw, type_: Message) -> list[str]:
    """The required fields, some of the others, and one of those that exclude each other."""
    names = [name for name, field in type_.fields.items() if not isinstance(field, Later)]
    optional = [name for name in names if name not in type_.required]
    telling = [name for name in optional if name in TELLING]
    telling = [name for name in telling if draw(NUMBER(0, 3))]
    others = [name for name in optional if name not in TELLING]
    some = [draw(CHOICE(tuple(others))) for _ in range(draw(NUMBER(0, 4)))] if others else []
    chosen = {*type_.required, *telling, *some}
    for group in type_.one_of:
        rivals = [name for name in group if name in chosen]
        if len(rivals) > 1:
            chosen -= {*rivals} - {draw(CHOICE(tuple(rivals)))}
    return [name for name in names if name in chosen]


def mended(type_: Message, value: Json, resource: Resource) -> Any:
    """The message without what its rules refuse: items of lists first, then whole fields; or UNFIT."""
    wrong = errors(type_, value, resource)
    while wrong:
        for candidate in _smaller(type_, value):
            left = errors(type_, candidate, resource)
            if left < wrong:
                value, wrong = candidate, left
                break
        else:
            return UNFIT
    return value


def _smaller(type_: Message, value: Json) -> list[Json]:
    """The same without one item of a list, an entry of a map, or an optional field."""
    found = []
    for name, held in value.items():
        if isinstance(held, list):
            found += [{**value, name: held[:index] + held[index + 1 :]} for index in range(len(held))]
        elif isinstance(type_.fields[name], MapOf):
            found += [{**value, name: {k: v for k, v in held.items() if k != key}} for key in held]
    optional = [name for name in value if name not in type_.required]
    return found + [{key: held for key, held in value.items() if key != name} for name in optional]


# What types without a strategy accept, by the type and the kind of the resource.
_FITTING: dict[tuple[int, str], tuple[Any, ...]] = {}
STRATEGIES: Mapping[type, Callable[..., Any]] = {
    Text: _text,
    Bool: _bool,
    Int: _whole,
    Number: _number,
    Enum: _enum,
    ListOf: _list,
    MapOf: _map,
    Message: _message,
    Later: _unfit,
    Unread: _unread,
    Duration: _duration,
    Percent: _percent,
    StringMatch: _match,
}


def resource(kind: str, version: str, namespace: str, name: str, body: Json) -> Resource:
    """A resource as a file would give it."""
    metadata = {"name": name, "namespace": namespace, **body.pop("metadata", {})}
    whole = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
    return Resource(version, kind, namespace, name, whole, Source("generated.yaml", 1))
