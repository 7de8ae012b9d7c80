"""One HTTP route of a VirtualService: what is matched, where it goes, what happens on the way."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.duration import ZERO_OR_DURATION, nanoseconds
from mesh.local.schema.http_actions import (
    DIRECT_RESPONSE,
    HEADERS,
    REDIRECT,
    REWRITE,
)
from mesh.local.schema.http_match import HTTP_MATCH, PORT
from mesh.local.schema.http_policies import CORS_POLICY, FAULT, PERCENT, RETRIES
from mesh.local.schema.language import ANY_TEXT, UINT32, Int, ListOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.text import DNS_LABEL, NOT_EMPTY, is_authority, subset_name, wildcard_host

MAX_WEIGHTS = 2**32 - 1  # Envoy's bound of their sum


def _destination_host(text: str) -> str | None:
    return "invalid destination host *" if text == "*" else wildcard_host(text)


DESTINATION = Message(
    {
        "host": Text(_destination_host),
        "subset": Text(subset_name),
        "port": Message({"number": PORT}, required=["number"]),
    },
    required=["host"],
)


def _conflicts(route: Json, at: At) -> None:
    """Which actions exclude each other: a route does one thing, a root route only delegates."""
    delegate = not at.resource.spec.get("hosts")
    if "delegate" in route and delegate:
        (at / "delegate").error("delegate HTTP route cannot contain delegate")
    elif "delegate" in route:
        for action in ("redirect", "route", "directResponse"):
            if action in route:
                (at / action).error(f"root HTTP route {route.get('name', '')} must not specify {action}")
        return
    final = next((name for name in ("redirect", "directResponse") if name in route), None)
    if final is None:
        if not route.get("route"):
            at.error("HTTP route, redirect or directResponse is required")
    else:
        for other in ("route", "fault", "rewrite", "directResponse"):
            if other != final and route.get(other) is not None:
                at.error(f"HTTP route cannot contain both {other} and {final}")
    if "mirror" in route and route.get("mirrors"):
        at.error("HTTP route cannot contain both mirror and mirrors")


def total_weight(route: Json, at: At) -> None:
    """Several destinations share more than nothing, and no more than Envoy can count."""
    destinations = route.get("route") or []
    total = sum(entry.get("weight", 0) for entry in destinations)
    if len(destinations) > 1 and not total:
        (at / "route").error("total destination weight = 0")
    elif len(destinations) > 1 and total > MAX_WEIGHTS:
        (at / "route").error(f"total destination weight = {total}; Envoy takes {MAX_WEIGHTS}")


def _one_authority(route: Json, at: At) -> None:
    current = (route.get("rewrite") or {}).get("authority")
    request = (route.get("headers") or {}).get("request") or {}
    for operation in ("set", "add"):
        for name, value in (request.get(operation) or {}).items():
            if not is_authority(name):
                continue
            if current:
                (at / "headers" / "request" / operation / name).error(
                    f'authority header cannot be set multiple times: have "{current}", '
                    f'attempting to set "{value}"'
                )
            current = value


def _zero_timeout(route: Json, at: At) -> None:
    if "timeout" in route and nanoseconds(route["timeout"]) == 0:
        (at / "timeout").warning("0s means no timeout, which is the default; Istio's webhook refuses it")


def _prefix_redirect(route: Json, at: At) -> None:
    if not (route.get("redirect") or {}).get("prefixRewrite"):
        return
    if any("prefix" not in match["uri"] for match in route.get("match") or [] if "uri" in match):
        (at / "redirect" / "prefixRewrite").error("requires all URI matches to use prefix match type")


HTTP_ROUTE = Message(
    {
        "name": ANY_TEXT,
        "match": ListOf(HTTP_MATCH),
        "route": ListOf(
            Message(
                {
                    "destination": DESTINATION,
                    "weight": Int(0, 2**31 - 1, "weight {} < 0"),
                    "headers": HEADERS,
                },
                required=["destination"],
            )
        ),
        "redirect": REDIRECT,
        "directResponse": DIRECT_RESPONSE,
        "delegate": Message({"name": NOT_EMPTY, "namespace": DNS_LABEL}, required=["name"]),
        "rewrite": REWRITE,
        "timeout": ZERO_OR_DURATION,
        "retries": RETRIES,
        "fault": FAULT,
        "mirror": DESTINATION,
        "mirrors": ListOf(
            Message({"destination": DESTINATION, "percentage": PERCENT}, required=["destination"])
        ),
        "mirrorPercentage": PERCENT,
        "mirrorPercent": later(UINT32, "deprecated: write mirrorPercentage"),
        "mirror_percent": later(UINT32, "deprecated: write mirrorPercentage"),
        "corsPolicy": CORS_POLICY,
        "headers": HEADERS,
    },
    rules=[_conflicts, total_weight, _one_authority, _zero_timeout, _prefix_redirect],
)
