"""Sends random policies' requests on several control planes, and says where what is seen differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec

from mesh.local.model import Json
from tests.mesh.conformance.case import Case, Expect, Request, Written
from tests.mesh.conformance.drawn.policies import Policy
from tests.mesh.conformance.running import MILDER, Suite
from tests.mesh.conformance.sending import Answer

# Headers that a policy decides about; all others are the machinery's own.
TOLD = ("location", "x-a", "x-b")
RECEIVED = ("host", "x-a", "x-b", "x-envoy-original-path", "x-forwarded-proto")
UNSUPPORTED = "not supported"


class Seen(msgspec.Struct, frozen=True):
    """What one control plane made of a request; fields of None are not known."""

    status: int | None = None
    workload: str | None = None
    path: str | None = None
    authority: str | None = None
    location: str | None = None
    secured: bool | None = None
    method: str | None = None
    received: dict[str, str | None] | None = None
    told: dict[str, str | None] | None = None
    body: str | None = None
    flags: str | None = None
    details: str | None = None

    def differs_in(self, other: Seen) -> set[str]:
        """The fields that both know and that are not alike."""
        fields = {name: (getattr(self, name), getattr(other, name)) for name in self.__struct_fields__}
        return {name for name, (own, its) in fields.items() if None not in (own, its) and own != its}


class Disagreement(msgspec.Struct, frozen=True):
    """A policy and one request, the fields that differ, and what each has seen."""

    policy: Policy
    request: Request
    fields: frozenset[str]
    seen: dict[str, Seen | str]


Oracle = Callable[[Policy], "str | list[Seen]"]
"""Puts a policy in force and says why not, or what became of each of its requests."""


def on_plane(suite: Suite) -> Oracle:
    """What really happens under a control plane."""

    def observed(policy: Policy) -> str | list[Seen]:
        if (reason := refusal(suite, policy)) is not None:
            return reason
        asked = [(request, suite.send(request)[0]) for request in policy.requests]
        return [seen(answer, _line(suite, request, answer)) for request, answer in asked]

    return observed


def _line(suite: Suite, request: Request, answer: Answer) -> Mapping[str, str]:
    """The line in the access log of the proxy that was asked for HTTP, if it has answered."""
    asked = request.through in ("sidecar", "gateway") and request.url.startswith("http://")
    return suite.log(answer) if asked and not answer.closed else {}


def refusal(suite: Suite, policy: Policy) -> str | None:
    """Put a policy in force, or say why not."""
    written = Written("random", "random", list(policy.resources), requests=list(policy.requests))
    reason = suite.replace(Case("random", written))
    if reason is None:
        return None
    return UNSUPPORTED if any(words in reason for words in MILDER) else f"refused: {reason}"


def seen(answer: Answer, line: Mapping[str, str]) -> Seen:
    """An answer with its line in the access log of the asking proxy."""
    if answer.closed:
        return Seen(status=0, workload="")
    if " got " in answer.body:
        return Seen(status=0, workload=any_version(answer.workload))
    received = answer.echo.get("headers", {})
    subset = [*line.get("cluster", "").split("|"), "", "", ""][2]
    balanced = not subset and line.get("cluster", "").startswith("outbound|")
    return Seen(
        status=answer.status,
        workload=any_version(answer.workload) if balanced else answer.workload,
        path=answer.echo.get("path"),
        authority=received.get("host"),
        location=answer.headers.get("location", ""),
        secured="x-forwarded-client-cert" in received if answer.workload else None,
        method=answer.echo.get("method"),
        received={name: received.get(name) for name in RECEIVED} if answer.workload else None,
        told={name: answer.headers.get(name) for name in TOLD},
        body=None if answer.workload else answer.body,
        flags=line.get("flags"),
        details=line.get("details"),
    )


def any_version(workload: str) -> str:
    """Any of them may answer."""
    return "reviews" if workload.startswith("reviews-") else workload


def disagreement(policy: Policy, oracles: Mapping[str, Oracle]) -> Disagreement | None:
    """The first request of a policy that is not the same everywhere."""
    found = {name: ask(policy) for name, ask in oracles.items()}
    if UNSUPPORTED in found.values():
        return None
    said = {name: each for name, each in found.items() if isinstance(each, str)}
    if said and len(said) < len(found):
        shown = {name: said.get(name, "accepted") for name in found}
        return Disagreement(policy, policy.requests[0], frozenset({"refusal"}), dict(shown))
    if said:
        return None
    for number, request in enumerate(policy.requests):
        each_seen = {name: each[number] for name, each in found.items() if not isinstance(each, str)}
        first, *others = each_seen.values()
        if fields := set().union(*(first.differs_in(other) for other in others)):
            return Disagreement(policy, request, frozenset(fields), dict(each_seen))
    return None


def as_case(found: Disagreement, title: str) -> str:
    """A case of the suite as its file would be, with what every control plane has seen as a comment."""
    request = found.request
    usual = msgspec.to_builtins(Request(url="", expect=Expect()))
    sent: Json = {name: each for name, each in msgspec.to_builtins(request).items() if each != usual[name]}
    expected = next((each for each in reversed(found.seen.values()) if isinstance(each, Seen)), Seen())
    written = {
        "title": title,
        "reference": "found at random",
        "resources": list(found.policy.resources),
        "requests": [{**sent, "expect": {"status": expected.status, "answered_by": expected.workload or ""}}],
    }
    seen_by = "".join(f"# {name}: {_shown(each, found.fields)}\n" for name, each in found.seen.items())
    return seen_by + msgspec.yaml.encode(written).decode()


def _shown(each: Seen | str, fields: frozenset[str]) -> str:
    if isinstance(each, str):
        return each
    return json.dumps({name: getattr(each, name) for name in sorted(fields)})
