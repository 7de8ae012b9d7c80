"""Small random policies, and what two control planes make of the same requests under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from tests.mesh.conformance.case import Case, Expect, Request, Written
from tests.mesh.conformance.running import MILDER, Suite
from tests.mesh.conformance.sending import Answer

PATHS = ("/", "/a", "/a/b", "/ab", "/b", "/B")
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"x-user": "ada"},
    {"x-user": "grace"},
    {"x-user": "ada", "x-beta": "1"},
)
METHODS = ("GET", "POST")
SUBSETS = ("v1", "v2", "v3")
# So many answers show every destination of a split: of one with a weight of 30 % all but once in 10^6 times.
ANSWERS_OF_A_SPLIT = 40
NETWORKING, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
# Headers of which the value must be alike, of the answer and of what reached the workload.
TOLD = ("location", "x-set", "x-add", "access-control-allow-origin")
SEEN = ("host", "x-set", "x-add", "x-user", "x-forwarded-proto", "x-envoy-attempt-count")


def _text_match() -> st.SearchStrategy[Any]:
    words = st.sampled_from(("ada", "a", "1", "gr"))
    return st.one_of(
        st.builds(lambda word: {"exact": word}, words),
        st.builds(lambda word: {"prefix": word}, words),
        st.sampled_from(({"regex": "a.*"}, {"regex": ".*"}, {"regex": "[a-z]+"}, {})),
    )


def _uri() -> st.SearchStrategy[Any]:
    paths = st.sampled_from(PATHS)
    return st.one_of(
        st.builds(lambda path: {"exact": path}, paths),
        st.builds(lambda path: {"prefix": path}, paths),
        st.sampled_from(({"regex": "/a.*"}, {"regex": "/[ab]"})),
    )


def _match() -> st.SearchStrategy[Any]:
    names = st.sampled_from(("x-user", "x-beta"))
    return st.fixed_dictionaries(
        {},
        optional={
            "uri": _uri(),
            "ignoreUriCase": st.booleans(),
            "headers": st.dictionaries(names, _text_match(), min_size=1, max_size=2),
            "withoutHeaders": st.dictionaries(names, _text_match(), min_size=1, max_size=1),
            "method": st.sampled_from(({"exact": "GET"}, {"prefix": "P"})),
            "queryParams": st.dictionaries(st.just("q"), _text_match(), min_size=1),
            "sourceLabels": st.sampled_from(({"app": "client"}, {"tier": "back"})),
            "sourceNamespace": st.sampled_from(("default", "other")),
            "port": st.sampled_from((80, 8000)),
        },
    )


def _split() -> st.SearchStrategy[Any]:
    def written(subsets: Sequence[str], weights: Sequence[int]) -> list[Any]:
        return [
            {"destination": {"host": "reviews", "subset": subset}, "weight": weight}
            for subset, weight in zip(subsets, weights, strict=False)
        ]

    one = st.builds(lambda subset: written([subset], [100]), st.sampled_from(SUBSETS))
    shares = st.sampled_from(((50, 50), (70, 30), (100, 0), (30, 70)))
    two = st.builds(written, st.permutations(SUBSETS).map(lambda names: names[:2]), shares)
    return st.one_of(one, two)


def _forwarding() -> st.SearchStrategy[Any]:
    operations = st.fixed_dictionaries(
        {},
        optional={
            "set": st.just({"x-set": "1"}),
            "add": st.just({"x-add": "2"}),
            "remove": st.just(["x-user"]),
        },
    )
    return st.fixed_dictionaries(
        {"route": _split()},
        optional={
            "headers": st.fixed_dictionaries({}, optional={"request": operations, "response": operations}),
            "rewrite": st.sampled_from(({"uri": "/"}, {"uri": "/new"}, {"authority": "other.example.com"})),
            "fault": st.just({"abort": {"httpStatus": 418, "percentage": {"value": 100}}}),
        },
    )


def _rule() -> st.SearchStrategy[Any]:
    action = st.one_of(
        _forwarding(),
        st.builds(lambda status: {"directResponse": {"status": status}}, st.sampled_from((200, 404, 503))),
        st.sampled_from(({"redirect": {"uri": "/there"}}, {"redirect": {"authority": "b.example.com"}})),
    )
    matches = st.lists(_match(), max_size=2)
    return st.builds(lambda match, does: {**({"match": match} if match else {}), **does}, matches, action)


def _source() -> st.SearchStrategy[Any]:
    return st.sampled_from(
        (
            {"principals": ["cluster.local/ns/default/sa/client"]},
            {"principals": ["*"]},
            {"namespaces": ["other"]},
            {"notNamespaces": ["other"]},
            {"notPrincipals": ["*/sa/client"]},
        )
    )


def _operation() -> st.SearchStrategy[Any]:
    paths = st.lists(st.sampled_from((*PATHS, "/a*", "*b", "/{*}")), min_size=1, max_size=2, unique=True)
    return st.fixed_dictionaries(
        {"paths": paths},
        optional={"methods": st.just(["GET"]), "ports": st.just(["8080"]), "notPaths": st.just(["/ab"])},
    )


def _policy(name: str) -> st.SearchStrategy[Any]:
    when = st.sampled_from(
        (
            {"key": "request.headers[x-user]", "values": ["ada"]},
            {"key": "request.headers[x-user]", "notValues": ["a*"]},
            {"key": "source.namespace", "values": ["default"]},
        )
    )
    rule = st.fixed_dictionaries(
        {},
        optional={
            "from": st.lists(_source(), min_size=1, max_size=2).map(
                lambda all_: [{"source": one} for one in all_]
            ),
            "to": st.lists(_operation(), min_size=1, max_size=2).map(
                lambda all_: [{"operation": one} for one in all_]
            ),
            "when": st.lists(when, min_size=1, max_size=2),
        },
    )
    spec = st.fixed_dictionaries(
        {
            "selector": st.just({"matchLabels": {"app": "reviews"}}),
            "action": st.sampled_from(("ALLOW", "DENY")),
            "rules": st.lists(rule, min_size=1, max_size=2),
        }
    )
    return spec.map(lambda spec: _object(SECURITY, "AuthorizationPolicy", name, spec))


def _object(version: str, kind: str, name: str, spec: Any) -> Any:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _request() -> st.SearchStrategy[Request]:
    def written(
        path: str, query: str, headers: dict[str, str], method: str, client: str, port: str
    ) -> Request:
        url = f"http://reviews.default.svc.cluster.local{port}{path}{query}"
        return Request(url, Expect(), client=client, headers=headers, method=method)

    return st.builds(
        written,
        st.sampled_from(PATHS),
        st.sampled_from(("", "?q=1")),
        st.sampled_from(HEADERS),
        st.sampled_from(METHODS),
        st.sampled_from(("client", "stranger")),
        st.sampled_from(("", ":8000")),
    )


def cases() -> st.SearchStrategy[Case]:
    """Rules and policies for `reviews` with requests to it, which expect nothing yet."""
    rules = st.lists(_rule(), min_size=1, max_size=3).map(
        lambda http: _object(NETWORKING, "VirtualService", "reviews", {"hosts": ["reviews"], "http": http})
    )
    policies = st.tuples(st.lists(_policy("one"), max_size=1), st.lists(_policy("two"), max_size=1))

    def case(rule: Any, several: tuple[list[Any], list[Any]], requests: list[Request]) -> Case:
        objects = [rule, *several[0], *several[1]]
        written = Written("Found at random", "", objects, base=["subsets"], requests=requests)
        return Case("random/found", written)

    return st.builds(case, rules, policies, st.lists(_request(), min_size=1, max_size=5))


@dataclass(frozen=True)
class Disagreement:
    """The smallest case that was found, and what each control plane made of it."""

    case: Case
    found: dict[str, list[str]]

    @property
    def text(self) -> str:
        """The file of the case; what it expects is left to be written."""
        fields = msgspec.to_builtins(self.case.written)
        requests = [msgspec.to_builtins(request) for request in self.case.written.requests]
        plain = [{key: each[key] for key in ("url", "client", "method", "headers")} for each in requests]
        shown = {key: fields[key] for key in ("title", "reference", "base", "resources")}
        return yaml.safe_dump({**shown, "requests": plain}, sort_keys=False)


def differing(suites: Sequence[Suite], examples: int) -> Disagreement | None:
    """Try so many random cases on all of them; the smallest on which they do not agree."""
    last: list[Disagreement] = []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def agree(case: Case) -> None:
        found = {suite.name: observed(suite, case) for suite in suites}
        if len({tuple(each) for each in found.values()}) > 1:
            last.append(Disagreement(case, found))
            raise AssertionError

    try:
        agree()
    except (AssertionError, Flaky):
        return last[-1]
    return None


def observed(suite: Suite, case: Case) -> list[str]:
    """What came of every request, as far as it is no matter of chance."""
    refusal = suite.replace(case)
    if refusal is not None:
        return ["limit" if any(words in refusal for words in MILDER) else "refused"]
    rules = [rule for each in case.written.resources for rule in each["spec"].get("http") or []]
    times = ANSWERS_OF_A_SPLIT if any(len(rule.get("route") or []) > 1 for rule in rules) else 1
    requests = [msgspec.structs.replace(request, times=times) for request in case.written.requests]
    return [_told(suite.send(request)) for request in requests]


def _told(answers: Sequence[Answer]) -> str:
    return " | ".join(sorted({_one(answer) for answer in answers}))


def _one(answer: Answer) -> str:
    if answer.closed:
        return "closed"
    own = [f"{name}={answer.headers[name]}" for name in TOLD if name in answer.headers]
    seen = answer.echo.get("headers") or {}
    reached = [f"{name}={seen[name]}" for name in SEEN if name in seen]
    whence = f"{answer.workload} {answer.echo['path']}" if answer.echo else repr(answer.body)
    return " ".join([str(answer.status), whence, *own, *reached])
