"""VirtualServices for connections: by port, by the client, or by the name that TLS asks for."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.mesh.conformance.drawn.fields import Drawn, joined, made, one, some

NAMES = ("a.example.com", "b.example.com")
TCP = ("reviews", "naked")

_SOURCES = {
    "sourceLabels": st.fixed_dictionaries({"app": one("client", "stranger")}),
    "sourceNamespace": one("default", "other"),
}
_TCP_DESTINATIONS = (
    {"host": "reviews"},
    {"host": "reviews", "subset": "v1"},
    {"host": "reviews", "subset": "v9"},
    {"host": "naked"},
    {"host": "naked", "port": {"number": 9000}},
    {"host": "nobody", "port": {"number": 80}},
)
_TLS_DESTINATIONS = (
    {"host": "ratings"},
    {"host": "ratings", "port": {"number": 9443}},
    {"host": "nobody", "port": {"number": 80}},
)


def _routed(destinations: tuple[object, ...]) -> Drawn:
    destination = st.fixed_dictionaries({"destination": st.sampled_from(destinations)})
    return st.fixed_dictionaries({"route": st.tuples(destination).map(list)})


def _tcp() -> Drawn:
    match = some({"port": one(9000, 9001), **_SOURCES})
    matched = st.fixed_dictionaries({}, optional={"match": st.lists(match, min_size=1, max_size=2)})
    routes = st.lists(joined(matched, _routed(_TCP_DESTINATIONS)), min_size=1, max_size=2)
    spec = st.fixed_dictionaries({"hosts": one(*TCP).map(lambda host: [host]), "tcp": routes})
    return spec.map(lambda found: made("VirtualService", "connections", found))


def _tls() -> Drawn:
    names = st.fixed_dictionaries({"sniHosts": one(*NAMES).map(lambda name: [name])})
    match = joined(names, some({"port": one(9443, 9444), **_SOURCES}, least=0, most=1))
    matched = st.fixed_dictionaries({"match": st.lists(match, min_size=1, max_size=1)})
    routes = st.lists(joined(matched, _routed(_TLS_DESTINATIONS)), min_size=1, max_size=2)
    spec = st.fixed_dictionaries({"hosts": st.just(["ratings", *NAMES]), "tls": routes})
    return spec.map(lambda found: made("VirtualService", "names", found))


def connection_rules() -> Drawn:
    return _tcp() | _tls()
