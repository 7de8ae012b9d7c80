"""Texts for generated configurations: a field takes those of them that its own rule accepts.

Names come from the world that is translated for, so that objects refer to each other most of the time and
to nothing sometimes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from mesh.local.schema.authorization_policy import ATTRIBUTES

JWKS = (
    '{"keys": [{"kty": "RSA", "alg": "RS256", "kid": "1", "e": "AQAB", "n": "'
    + "xAE7eB6qugXyCAG3yhh7pkDkT65pHymX-P7KfIupjf59vsdo91bSP9C8H07pSAGQO1MV_xFj9VswgsCg4R6otmg5PV2He95lZdHt"
    + "OcU5DXIg_pbhLdKXbi66GlVeK6ABZOUW3WYtnNHD-91gVuoeJT_DwtGGcp4ignk"
    + 'gXfkiEm4sw-4sfb4qdt5oLbyVpmW6x9cfa7v"}]}'
)
HOSTS = (
    "reviews",
    "ratings",
    "echo",
    "reviews.default.svc.cluster.local",
    "far.other.svc.cluster.local",
    "far.other",
    "nobody",
    "*.example.com",
    "a.example.com",
    "*.default.svc.cluster.local",
    "*",
    "example.org",
    "10.0.0.1",
    "Reviews",
    "A.example.com",
    "a.example.com.",
)
EGRESS_HOSTS = (
    "./*",
    "*/*",
    "~/*.example.com",
    "other/*",
    "./reviews.default.svc.cluster.local",
    "*/a.example.com",
)
ENDPOINTS = ("127.9.0.1", "203.0.113.1", "2001:db8::1", "b.example.com", "localhost")
LOCALITIES = ("eu", "eu/a", "eu/a/b", "us/*", "*", "")
NAMES = (
    "one",
    "two",
    "web",
    "edge",
    "default",
    "other",
    "istio-system",
    "v1",
    "v2",
    "v3",
    "client",
    "reviews",
)
LABELS = ("app", "version", "istio", "ingressgateway")
PATHS = ("/", "/a", "/a/", "/a/b?c", "/*", "*/x", "/{*}/x", "/{**}", "/%2e", "//", "/\u00e9", "")
REGEXES = ("/a.*", "(a|b)+", "[^/]+", r"/u/([0-9]+)", "(?i)x", "*", r"\d{2,3}", ".*", r"\pL")
HEADERS = ("x-a", "X-B", "cookie", "host", ":authority", ":method", ":path", "content-type", "te", "*", "a.b")
CLAIMS = ("@request.auth.claims.sub", "@request.auth.claims[a][b]")
VALUES = (
    "a",
    "\\1",
    "%REQ(x-a)%",
    "%%",
    "%PROTOCOL%",
    "text with spaces",
    "\u00e9\u2028",
    "'",
    '"',
    "a,b",
    "a*",
)
ADDRESSES = ("10.0.0.0/8", "127.1.0.10", "::1", "2001:db8::/32", "0.0.0.0/0", "80", "8080", "0", "65535")
URLS = ("https://issuer.example", "http://issuer.example/keys", "https://issuer.example:8443/k?x=1")
WORDS = ("GET", "POST", "http", "https", "HTTP", "HTTPS", "GRPC", "5xx", "503", "retriable-4xx", "NOT_FOUND")
CEL = ("request.method", "'word'", "request.headers['x-a']", "response.code == '200' ? 'a' : request.host")
PRINCIPALS = ("cluster.local/ns/default/sa/client", "cluster.local/*", "*/sa/client", "default/client")
SCOPED = ("./*", "default/*", "*/*", "~/*", "other/far.other.svc.cluster.local", "*/*.example.com")
FILES = ("/dev/stdout", "/certificates/chain.pem")

PATHOLOGICAL = ("\n", "\x00", "%", "(", "{", "$", "@", "\ufffd", "a" * 300, " ", "-", ".", "..", "\U0001f600")
EVERYTHING: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *HOSTS,
            *NAMES,
            *LABELS,
            *PATHS,
            *REGEXES,
            *HEADERS,
            *CLAIMS,
            *VALUES,
            *ADDRESSES,
            *URLS,
            *WORDS,
            *CEL,
            *PRINCIPALS,
            *FILES,
            *SCOPED,
            "127.0.0.1:8080",
            *PATHOLOGICAL,
        )
    )
)

# What a field most often holds, by its name; a field that is not here takes everything that its rule takes.
USUAL: Mapping[str, Sequence[str]] = {
    "host": HOSTS[:8],
    "hosts": (*HOSTS, *EGRESS_HOSTS),
    "address": ENDPOINTS,
    "addresses": (*ENDPOINTS, "240.0.0.0/24", "240.0.0.7/32"),
    "defaultEndpoint": ("127.0.0.1:8080", ":9000", "0.0.0.0:1", ""),
    "locality": LOCALITIES,
    "from": LOCALITIES,
    "failoverPriority": ("app", "version=v1", "topology.kubernetes.io/region"),
    "serviceAccount": ("reviews", ""),
    "sniHosts": ("a.example.com", "*.example.com"),
    "destinationSubnets": ("10.0.0.0/8", "10.0.0.9"),
    "bind": ("127.0.0.1", "::"),
    "subset": ("v1", "v2", "v3"),
    "gateways": ("mesh", "edge", "istio-system/edge", "other/edge"),
    "protocol": ("HTTP", "HTTPS", "http2", "GRPC", "TLS", "TCP"),
    "credentialName": ("edge", ""),
    "uri": PATHS,
    "path": PATHS,
    "paths": PATHS,
    "key": (*ATTRIBUTES, "request.headers[x-a]", "request.auth.claims[a][b]"),
    "issuer": URLS[:1],
    "jwks": (JWKS,),
    "jwksUri": URLS,
    "exportTo": (".", "*", "default", "other"),
    "methods": ("GET", "POST", "*", "P*"),
    "ports": ("80", "8080", "9000"),
    "serviceAccounts": ("client", "default/client"),
    "principals": PRINCIPALS,
    "expression": ("response.code >= 400", "request.method == 'GET'", "has(request.headers['x-a'])"),
    "service": ("reviews.default.svc.cluster.local", "far.other.svc.cluster.local", "nowhere.example"),
    "value": (*CEL, *VALUES),
    "regex": REGEXES,
    "rewrite": PATHS + VALUES[:3],
}
# By the field that holds a list of objects with a name.
NAMED: Mapping[str, Sequence[str]] = {
    "subsets": ("v1", "v2", "v3"),
    "providers": ("logs", "traces", "zipkin", "prometheus", "envoy", "authz"),
    "provider": ("authz",),
    "extensionProviders": ("logs", "traces", "zipkin", "authz"),
    "tracing": ("traces", "zipkin"),
    "accessLogging": ("logs", "envoy"),
    "metrics": ("prometheus",),
    "delegate": ("one", "two"),
}

Rule = Callable[[str], str | None]


@cache
def accepted(rule: Rule | None) -> tuple[str, ...]:
    """All texts that a rule accepts."""
    return tuple(text for text in EVERYTHING if rule is None or rule(text) is None)


@cache
def usual(place: tuple[str, ...], rule: Rule | None) -> tuple[str, ...]:
    """The texts that belong into the field at the end of `place`, as far as its rule accepts them."""
    name = place[-1] if place else ""
    if name.startswith("not") and name[3:4].isupper():
        name = name[3].lower() + name[4:]
    found = USUAL.get(name, ())
    if name in ("name", *NAMED):
        found = next((NAMED[field] for field in reversed(place) if field in NAMED), ())
    return tuple(text for text in found if rule is None or rule(text) is None)
