"""AuthorizationPolicy CUSTOM: somebody else decides."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.mesh.translate.client import Answer
from tests.mesh.translate.conftest import CLIENT
from tests.mesh.translate.deciders import grpc_decider, http_decider
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.rules import policy

PODS = [
    CLIENT,
    Pod("reviews-v1", {"app": "reviews"}, ports=(8080, 9000)),
    Pod("decider", {"app": "decider"}, ports=(8000, 9001)),
]
SERVED = [
    service("reviews", http="80:8080", tcp="9000"),
    service("decider", http="80:8000", grpc="9001"),
]
HOST = "decider.default.svc.cluster.local"
Asked = list[tuple[str, dict[str, str], str]]


@pytest.fixture(scope="module")
def deciders(running: Lab) -> Iterator[tuple[Asked, list[bytes]]]:
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(http_decider(running.vacate("decider", 8000)))
        yield http, stack.enter_context(grpc_decider(running.vacate("decider", 9001)))


@pytest.fixture
def asked(deciders: tuple[Asked, list[bytes]]) -> Asked:
    deciders[0].clear()
    return deciders[0]


def _providers(*providers: str) -> str:
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |
    extensionProviders: [{", ".join(providers)}]
---
"""


def _http(more: str = "", host: str = HOST) -> str:
    return f"{{ name: http, envoyExtAuthzHttp: {{ service: {host}, port: 80{more} }} }}"


GRPC = f"{{ name: grpc, envoyExtAuthzGrpc: {{ service: default/{HOST}, port: 9001 }} }}"


def _custom(rules: str, provider: str = "http", name: str = "ask") -> str:
    return policy(
        name,
        f"{{ selector: {{ matchLabels: {{ app: reviews }} }}, action: CUSTOM, "
        f"provider: {{ name: {provider} }}, rules: {rules} }}",
    )


PATH = "[{ to: [{ operation: { paths: [%s] } }] }]"


def _ask(lab: Lab, path: str, answer: str = "", **more: bytes) -> Answer:
    method = "POST" if more else "GET"
    headers = {"x-ask": answer, "x-user": "forged"} if answer else {"x-user": "forged"}
    return lab.get("client", f"http://reviews{path}", headers=headers, method=method, body=more.get("body"))


def test_only_what_the_rules_match_is_asked_about(lab: Lab, asked: Asked) -> None:
    lab.apply(_providers(_http(", includeRequestHeadersInCheck: [x-ask]")) + _custom(PATH % "/guarded"))
    assert _ask(lab, "/open", "no").status == 200
    assert asked == []
    assert _ask(lab, "/guarded", "yes").status == 200
    assert _ask(lab, "/guarded", "no").status == 403
    lab.wait_for_log("reviews-v1", text="ext_authz_denied")


def test_several_policies_of_one_provider_add_up(lab: Lab, asked: Asked) -> None:
    second = _custom(PATH % "/two", name="more")
    lab.apply(_providers(_http(", includeRequestHeadersInCheck: [x-ask]")) + _custom(PATH % "/one") + second)
    assert [_ask(lab, path, "no").status for path in ("/one", "/two", "/three")] == [403, 403, 200]


def test_what_is_told_and_what_comes_back(lab: Lab, asked: Asked) -> None:
    more = (
        ", pathPrefix: /check, includeRequestHeadersInCheck: ['x-as*'], "
        "includeAdditionalHeadersInCheck: { x-more: '1' }, "
        "includeRequestBodyInCheck: { maxRequestBytes: 9 }, "
        "headersToUpstreamOnAllow: [x-user], headersToDownstreamOnAllow: [x-reason], "
        "headersToDownstreamOnDeny: [x-reason]"
    )
    lab.apply(_providers(_http(more)) + _custom("[{}]"))
    allowed = _ask(lab, "/a?b=c", "yes", body=b"hello")
    assert (allowed.status, allowed.headers["x-reason"]) == (200, "x-reason said")
    assert allowed.echo["headers"]["x-user"] == "x-user said"
    path, headers, body = asked[-1]
    assert (path, headers["x-ask"], headers["x-more"], body) == ("/check/a?b=c", "yes", "1", "hello")
    assert "x-user" not in headers
    denied = _ask(lab, "/", "no")
    assert (denied.status, denied.headers["x-reason"]) == (403, "x-reason said")
    assert "x-secret" not in denied.headers
    assert _ask(lab, "/", body=b"more than nine").status == 413


def test_who_cannot_be_asked_decides_as_the_provider_says(lab: Lab, asked: Asked) -> None:
    nobody = ", timeout: 0.2s, pathPrefix: /x"
    dead = _http(nobody).replace("port: 80", "port: 9001")
    lab.apply(_providers(dead) + _custom("[{}]"))
    assert _ask(lab, "/").status == 403
    lab.apply(_providers(dead.replace("timeout", 'statusOnError: "503", timeout')) + _custom("[{}]"))
    assert _ask(lab, "/").status == 503
    lab.apply(_providers(dead.replace("timeout", "failOpen: true, timeout")) + _custom("[{}]"))
    assert _ask(lab, "/").status == 200


@pytest.mark.parametrize("provider", ["nobody", "lost"])
def test_an_unknown_provider_denies_what_the_rules_match(lab: Lab, provider: str) -> None:
    lost = _http(host="lost.default.svc.cluster.local").replace("name: http", "name: lost")
    lab.apply(_providers(lost) + _custom(PATH % "/guarded", provider))
    assert (_ask(lab, "/guarded").status, _ask(lab, "/open").status) == (403, 200)


def test_two_providers_for_one_workload_deny(lab: Lab, asked: Asked) -> None:
    second = _custom(PATH % "/two", "grpc", "more")
    lab.apply(_providers(_http(), GRPC) + _custom(PATH % "/one") + second)
    assert [_ask(lab, path).status for path in ("/one", "/two", "/three")] == [403, 403, 200]
    assert asked == []


def test_a_grpc_provider_sees_requests_and_connections(lab: Lab, deciders: tuple[Asked, list[bytes]]) -> None:
    deciders[1].clear()
    lab.apply(_providers(GRPC) + _custom("[{}]", "grpc"))
    assert (_ask(lab, "/allowed").status, _ask(lab, "/forbidden").status) == (200, 403)
    deciders[1].clear()
    assert lab.get("client", "http://reviews:9000/forbidden").status == 200  # a connection has no path
    assert len(deciders[1]) == 1


def test_a_policy_that_denies_by_itself_still_does(lab: Lab, asked: Asked) -> None:
    deny = policy("deny", "{ action: DENY, rules: [{ to: [{ operation: { paths: [/no] } }] }] }")
    lab.apply(_providers(_http()) + _custom("[{}]") + deny)
    assert (_ask(lab, "/no").status, _ask(lab, "/yes").status) == (403, 200)
