"""Whole policies: objects that are valid together, and what is sent while they are in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from mesh.local.check import validate
from mesh.local.model import Json, Resource, Source
from tests.mesh.conformance.case import Request, Values, fill
from tests.mesh.conformance.drawn.connections import connection_rules
from tests.mesh.conformance.drawn.fields import EXTERNAL, Drawn
from tests.mesh.conformance.drawn.guards import (
    authorization_policy,
    peer_authentication,
    request_authentication,
)
from tests.mesh.conformance.drawn.places import destination_rule, gateway, service_entry, sidecar, subsets
from tests.mesh.conformance.drawn.requests import requests
from tests.mesh.conformance.drawn.routes import GATEWAY, delegate, virtual_service

# What a run fills in, for who checks a policy before there is one.
STANDING_IN: Values = {"JWKS": '{"keys": [{"kty": "EC"}]}', "EXTERNAL_IP": "127.0.0.1", "EXTERNAL_HTTP": 8080}

MOST_OBJECTS = 7


class Policy(msgspec.Struct, frozen=True):
    """Objects of Istio's, and what is sent while they are in force."""

    resources: tuple[Json, ...]
    requests: tuple[Request, ...]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Some objects of each kind, and those that they refer to."""
    found = _named([each for each in draw(_OBJECTS) if each is not None])
    if any("delegate" in route for each in found for route in each["spec"].get("http", ())):
        found.append(draw(_DELEGATE))
    found += [draw(missing) for missing in _referred(found)]
    return Policy(tuple(found), requests(draw, found))


def _named(drawn: Sequence[Json]) -> list[Json]:
    """Two of a name by different names, and of any more only those."""
    found: dict[tuple[str, str], Json] = {}
    for body in drawn:
        key = body["kind"], body["metadata"]["name"]
        if key == (key[0], "one") and key in found:
            key = key[0], "two"
            body = {**body, "metadata": {**body["metadata"], "name": "two"}}
        found.setdefault(key, body)
    return list(found.values())


_OBJECTS = st.lists(
    st.one_of(
        st.none(),  # what any other may become while a disagreement is made smaller
        virtual_service(),
        virtual_service(),
        virtual_service(),
        authorization_policy(),
        authorization_policy(),
        peer_authentication(),
        request_authentication(),
        destination_rule(),
        connection_rules(),
        sidecar(),
    ),
    max_size=MOST_OBJECTS,
)
_DELEGATE = delegate()
_SUBSETS = {host: st.just(subsets(host)) for host in ("reviews", "ratings")}
_GATEWAY, _ENTRY = gateway(), service_entry()


def _referred(found: Sequence[Json]) -> Iterator[Drawn]:
    """What is named and not there: subsets, the gateway, the host outside."""
    named = [*_destinations(found)]
    for host, declared in _SUBSETS.items():
        if any(each["host"] == host and "subset" in each for each in named):
            yield declared
    if any(GATEWAY in each["spec"].get("gateways", ()) for each in found):
        yield _GATEWAY
    hosts = [host for each in found for host in each["spec"].get("hosts", ())]
    if EXTERNAL in (*hosts, *(each["host"] for each in named)):
        yield _ENTRY


def _destinations(found: Sequence[Json]) -> Iterator[Json]:
    for each in found:
        for protocol in ("http", "tcp", "tls"):
            for route in each["spec"].get(protocol, ()):
                yield from (leg["destination"] for leg in route.get("route", ()))


def resources_of(policy: Policy) -> list[Resource]:
    return [_resource(fill(body, STANDING_IN)) for body in policy.resources]


def errors(policy: Policy) -> list[Any]:
    """What a policy would be refused for."""
    return [found for found in validate(resources_of(policy))[1] if found.level == "error"]


def _resource(body: Json) -> Resource:
    metadata = body["metadata"]
    return Resource(
        body["apiVersion"], body["kind"], metadata["namespace"], metadata["name"], body, Source("random", 1)
    )
