"""Requests that meet a policy: to the hosts that it is about, with what it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st

from mesh.local.model import Json
from tests.mesh.conformance.case import Expect, Request, Token
from tests.mesh.conformance.drawn.connections import NAMES, TCP
from tests.mesh.conformance.drawn.fields import (
    EXTERNAL,
    HOSTS,
    PATHS,
    SHOP,
    VALUES,
    one,
)

REQUESTS = 6
# One choice for each: the fewer there are, the sooner a disagreement is small.
_FAILING = [{"x-echo-fail-attempts": "1", "x-echo-status": status} for status in ("503", "418")]
_VALUES = [{"x-a": value} for value in VALUES]
_HEADERS = one(*({},) * 4, *_VALUES * 2, *_FAILING, {**_FAILING[0], **_VALUES[0]})
_CLAIMS: tuple[dict[str, object], ...] = (
    {},
    {"role": "admin"},
    {"role": "user"},
    {"aud": "api"},
    {"iss": "https://other.example"},
)
_GOOD = [Token(claims=claims) for claims in _CLAIMS]
_FORGED = Token(signed_by="OTHER_JWKS")
_TOKENS = {often: one(*(None,) * (4 if often else 60), *_GOOD, _FORGED) for often in (False, True)}
_PATH = one(*(path + query for query in ("", "?q=1", "?q=12") for path in PATHS))
_CLIENT = one("client", "client", "stranger")
_METHOD = one("GET", "GET", "POST")
_CHOICE = cache(st.sampled_from)
_PODS = one(("ratings", "ratings"), ("reviews", "reviews-v1"))
_OUTSIDE = one(*(SHOP,) * 6, EXTERNAL)
_TCP, _NAMED = one(*TCP), one(*NAMES, "c.example.com")


def requests(draw: st.DrawFn, resources: Sequence[Json]) -> tuple[Request, ...]:
    """Some of each kind that the policy has to do with."""
    hosts = [host for each in resources for host in each["spec"].get("hosts", ())]
    tokens = any(each["kind"] == "RequestAuthentication" for each in resources)
    kinds = ["sidecar"] * 4 + ["pod"]
    kinds += ["gateway"] * (6 if SHOP in hosts else 0)
    kinds += [spoken for spoken in ("tcp", "tls") for _ in range(4) if _speaks(resources, spoken)]
    likely = (*(host for host in hosts for _ in range(4) if host in HOSTS), *HOSTS[:4])
    return tuple(_request(draw, draw(_CHOICE(tuple(kinds))), likely, tokens) for _ in range(REQUESTS))


def _speaks(resources: Sequence[Json], protocol: str) -> bool:
    return any(protocol in each["spec"] for each in resources)


def _request(draw: st.DrawFn, kind: str, likely: tuple[str, ...], tokens: bool) -> Request:
    if kind == "tcp":
        url = f"tcp://{draw(_TCP)}.default.svc.cluster.local:9000"
        return Request(url, Expect(), client=draw(_CLIENT), body="hello")
    if kind == "tls":
        url = "https://ratings.default.svc.cluster.local:9443/"
        return Request(url, Expect(), client=draw(_CLIENT), sni=draw(_NAMED))
    client, through = "client", kind
    if kind == "pod":
        host, through = draw(_PODS)
    elif kind == "gateway":
        host = draw(_OUTSIDE)
    else:
        client = draw(_CLIENT)
        host = _known(draw(_CHOICE(likely)), client)
        host += draw(_CHOICE(("", "", ":8000"))) if host.startswith("reviews") else ""
    return Request(
        f"http://{host}{draw(_PATH)}",
        Expect(),
        client=client,
        through=through,
        method=draw(_METHOD),
        headers=draw(_HEADERS),
        token=draw(_TOKENS[tokens]),
    )


def _known(host: str, client: str) -> str:
    """A short name means nothing in another namespace."""
    return f"{host}.default" if client == "stranger" and "." not in host else host
