"""VirtualServices for HTTP: rules for all requests or none, never for a share."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.mesh.conformance.drawn.fields import (
    DETAILS,
    EXPORTS,
    EXTERNAL,
    HOSTS,
    PATHS,
    SHOP,
    VALUES,
    Drawn,
    joined,
    made,
    one,
    seldom,
    some,
    text,
)

GATEWAY = "istio-system/edge"
PATTERNS = ("/a.*", "/[ab]", "/(a|old)/.+", ".*b")
DESTINATIONS = (
    {"host": "ratings"},
    {"host": "reviews"},
    {"host": "reviews", "subset": "v1"},
    {"host": "reviews", "subset": "v2"},
    {"host": "reviews", "subset": "v3"},
    {"host": "reviews", "subset": "v9"},
    {"host": "reviews", "port": {"number": 8000}},
    {"host": "ratings", "port": {"number": 80}},
    {"host": "ratings", "subset": "v1"},
    {"host": DETAILS},
    {"host": "nobody"},
    {"host": EXTERNAL},
)

_HEADER: Drawn = st.just({}) | text(VALUES, ("1.*", ".*"))
_VALUES = st.dictionaries(one("x-a", "x-b"), one("new", "%PROTOCOL%"), min_size=1, max_size=2)
_OPERATIONS = some(
    {"set": _VALUES, "add": _VALUES, "remove": st.lists(one("x-a", "x-b"), min_size=1, max_size=1)}
)
_HEADERS = some({"request": _OPERATIONS, "response": _OPERATIONS})

_URI = joined(st.fixed_dictionaries({"uri": text(PATHS, PATTERNS)}), seldom(st.just({"ignoreUriCase": True})))
_OTHERS = some(
    {
        "headers": st.fixed_dictionaries({"x-a": _HEADER}),
        "withoutHeaders": st.fixed_dictionaries({"x-a": _HEADER}),
        "method": text(("GET", "POST"), ("GET.*", ".*")),
        "queryParams": st.fixed_dictionaries({"q": st.just({}) | text(VALUES, ("1.*", ".*"))}),
        "authority": text(("reviews", "ratings", SHOP), ("reviews.*", ".*")),
        "scheme": text(("http", "https"), ("http.*",)),
        "sourceLabels": st.fixed_dictionaries({"app": one("client", "stranger")}),
        "sourceNamespace": one("default", "other"),
        "port": one(80, 8000),
    },
    most=1,
)
# One or two conditions: more are met by hardly any request.
_MATCH = _URI | _OTHERS | joined(_URI, _OTHERS)
_MATCHED = st.lists(_MATCH, max_size=2).map(lambda found: {"match": found} if found else {})
_REDIRECT = joined(
    some(
        {"uri": one(*PATHS), "authority": one("example.org"), "scheme": one("https"), "port": one(8443)},
        most=3,
    ),
    seldom(st.fixed_dictionaries({"redirectCode": one(302, 307)}), in_=2),
)
_DIRECT = st.fixed_dictionaries({"status": one(200, 418, 503), "body": st.just({"string": "told"})})
_REWRITE = joined(
    st.fixed_dictionaries({"uri": one("/", "/new", "/new/")})
    | st.just({"uriRegexRewrite": {"match": "/([a-z]+)", "rewrite": r"/\1/\1"}}),
    seldom(st.just({"authority": "written.example"}), in_=2),
)
_ABORT = st.fixed_dictionaries(
    {
        "httpStatus": one(418, 503),
        "percentage": st.fixed_dictionaries({"value": one(100, 0)}),
    }
)
_RETRIES = joined(
    st.fixed_dictionaries({"attempts": one(0, 1, 2)}),
    seldom(st.fixed_dictionaries({"retryOn": one("5xx", "418", "gateway-error")}), in_=2),
).filter(lambda retries: retries["attempts"] or len(retries) == 1)
_POLICIES = some(
    {
        "rewrite": _REWRITE,
        "headers": _HEADERS,
        "fault": st.fixed_dictionaries({"abort": _ABORT}),
        "retries": _RETRIES,
        "timeout": one("20s"),
        "mirror": st.fixed_dictionaries({"host": one("ratings", "nobody")}),
    },
    least=0,
)


def _destinations() -> Drawn:
    """One, or all of the weight on one of two."""
    one_ = st.fixed_dictionaries({"destination": st.sampled_from(DESTINATIONS)})
    with_headers = joined(one_, seldom(st.fixed_dictionaries({"headers": _HEADERS}), in_=3))
    other = st.just({"destination": {"host": "ratings", "port": {"number": 80}}, "weight": 0})
    whole = joined(with_headers, st.just({"weight": 100}))
    return st.tuples(one_).map(list) | st.tuples(with_headers).map(list) | st.tuples(whole, other).map(list)


_ROUTED = joined(_MATCHED, st.fixed_dictionaries({"route": _destinations()}), _POLICIES)
_ANSWERED = joined(
    _MATCHED,
    st.fixed_dictionaries({"redirect": _REDIRECT}) | st.fixed_dictionaries({"directResponse": _DIRECT}),
)
_DELEGATED = joined(_MATCHED, st.just({"delegate": {"name": "delegate"}}))
_ROUTE = st.one_of(_ROUTED, _ROUTED, _ANSWERED)
_DEFAULT = st.just({"route": [{"destination": {"host": "reviews", "subset": "v3"}}]})


def http_routes() -> Drawn:
    """Rules in order, sometimes with one for all that is left."""
    listed = st.lists(st.one_of(_ROUTE, _ROUTE, _DELEGATED), min_size=1, max_size=3)
    return st.tuples(listed, seldom(_DEFAULT, in_=2)).map(lambda found: [*found[0], *filter(None, found[1:])])


def virtual_service() -> Drawn:
    """For a host of the mesh, or of a gateway and perhaps of the mesh too."""
    inside = st.fixed_dictionaries({"hosts": one(*HOSTS).map(lambda host: [host])})
    outside = st.fixed_dictionaries({"hosts": st.just([SHOP]), "gateways": one([GATEWAY], [GATEWAY, "mesh"])})
    spec = joined(
        st.one_of(inside, inside, outside),
        seldom(st.fixed_dictionaries({"exportTo": EXPORTS})),
        st.fixed_dictionaries({"http": http_routes()}),
    )
    return spec.map(lambda found: made("VirtualService", "one", found))


def delegate() -> Drawn:
    """What the routes of others hand over to."""
    spec = joined(
        st.fixed_dictionaries({"http": st.lists(_ROUTE, min_size=1, max_size=2)}),
        seldom(st.fixed_dictionaries({"exportTo": EXPORTS}), in_=6),
    )
    return spec.map(lambda found: made("VirtualService", "delegate", found))
