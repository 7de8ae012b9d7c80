"""VirtualService: which request goes where, and what becomes of it on the way."""

from __future__ import annotations

import pytest

from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import SUBSETS, V1, V2, virtual_service

REST = f"{{ {V1} }}"


@pytest.mark.parametrize(
    ("match", "path", "headers", "matches"),
    [
        ("uri: { exact: /a }", "/a?x=1", {}, True),
        ("uri: { exact: /a }", "/a/", {}, False),
        ("uri: { prefix: /foo }", "/foobar", {}, True),
        ("uri: { regex: '/v[0-9]+' }", "/v12?x", {}, True),
        ("uri: { regex: '/v[0-9]+' }", "/v12/x", {}, False),
        ("uri: { exact: /A }, ignoreUriCase: true", "/a", {}, True),
        ("headers: { X-A: { exact: b } }", "/", {"x-a": "b"}, True),
        ("headers: { x-a: { exact: b } }", "/", {"x-a": "B"}, False),
        ("headers: { x-a: {} }", "/", {"x-a": "anything"}, True),
        ("headers: { x-a: {} }", "/", {}, False),
        ("headers: { x-a: { regex: 'b.*' } }", "/", {"x-a": "abc"}, False),
        ("withoutHeaders: { x-a: { exact: b } }", "/", {"x-a": "b"}, False),
        ("withoutHeaders: { x-a: { exact: b } }", "/", {}, True),
        ("withoutHeaders: { x-a: {} }", "/", {"x-a": ""}, False),
        ("queryParams: { q: { exact: '1' } }", "/?q=1", {}, True),
        ("queryParams: { q: { exact: '1' } }", "/?q=2", {}, False),
        ("method: { exact: POST }", "/", {}, False),
        ("authority: { exact: reviews }", "/", {}, True),
        ("authority: { exact: 'reviews:80' }", "/", {}, False),
        ("sourceLabels: { app: client }", "/", {}, True),
        ("sourceLabels: { app: other }", "/", {}, False),
        ("sourceNamespace: other", "/", {}, False),
        ("port: 80", "/", {}, True),
        ("port: 81", "/", {}, False),
        ("gateways: [mesh], sourceLabels: { app: other }", "/", {}, True),
    ],
)
def test_a_match_means_what_istio_means(
    lab: Lab, match: str, path: str, headers: dict[str, str], matches: bool
) -> None:
    lab.apply(SUBSETS + virtual_service(f"[{{ match: [{{ {match} }}], {V2} }}, {REST}]"))
    answer = lab.get("client", f"http://reviews{path}", headers=headers)
    assert answer.pod == ("reviews-v2" if matches else "reviews-v1")


def test_weights_divide_the_requests(lab: Lab) -> None:
    parts = f"{V1[8:-2]}, weight: 75 }}, {V2[8:-2]}, weight: 25 }}"
    lab.apply(SUBSETS + virtual_service(f"[{{ route: [{parts}] }}]"))
    pods = [lab.get("client", "http://reviews/").pod for _ in range(400)]
    assert 56 <= pods.count("reviews-v2") <= 144  # 100 expected, sigma 8.7: one run in a million


def test_no_rule_for_a_request_is_not_found_but_no_rule_at_all_is_the_default(lab: Lab) -> None:
    lab.apply(SUBSETS + virtual_service(f"[{{ match: [{{ uri: {{ prefix: /only }} }}], {V1} }}]"))
    assert lab.get("client", "http://reviews/only").status == 200
    assert lab.get("client", "http://reviews/other").status == 404
    lab.apply(SUBSETS + virtual_service(f"[{{ match: [{{ sourceLabels: {{ app: x }} }}], {V1} }}]"))
    assert lab.get("client", "http://reviews/other").status == 200


def test_an_undeclared_subset_is_unavailable(lab: Lab) -> None:
    lab.apply(virtual_service(f"[{REST}]"))
    assert lab.get("client", "http://reviews/").status == 503


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "seen"),
    [
        ("uri: { prefix: /old/ }", "uri: /new/", "/old/x?q=1", "/new/x?q=1"),
        ("uri: { prefix: /a }", "uri: /", "/a/b", "//b"),
        ("uri: { exact: /old }", "uri: /new", "/old?q=1", "/new?q=1"),
        ("uri: { regex: '/u/.*' }", "uri: /new", "/u/7?q=1", "/new?q=1"),
        (
            "uri: { prefix: /u/ }",
            "uriRegexRewrite: { match: '^/u/([0-9]+)', rewrite: '/users/\\1' }",
            "/u/7?q=1",
            "/users/7?q=1",
        ),
    ],
)
def test_rewritten_paths(lab: Lab, match: str, rewrite: str, path: str, seen: str) -> None:
    lab.apply(SUBSETS + virtual_service(f"[{{ match: [{{ {match} }}], rewrite: {{ {rewrite} }}, {V1} }}]"))
    assert lab.get("client", f"http://reviews{path}").echo["path"] == seen


def test_header_operations(lab: Lab) -> None:
    own = "headers: { request: { set: { x-b: destination, host: other.example } } }"
    route = f"route: [{{ destination: {{ host: reviews, subset: v1 }}, {own} }}]"
    changes = (
        "request: { set: { x-b: route }, add: { x-a: '2' }, remove: [x-r] }, response: { set: { x-s: '1' } }"
    )
    lab.apply(SUBSETS + virtual_service(f"[{{ headers: {{ {changes} }}, {route} }}]"))
    answer = lab.get("client", "http://reviews/", headers={"x-a": "1", "x-r": "gone"})
    assert answer.headers["x-s"] == "1"
    seen = answer.echo["headers"]
    assert (seen["x-b"], seen["host"], "x-r" in seen) == ("destination", "other.example", False)


def test_redirects_and_direct_responses(lab: Lab) -> None:
    rules = f"""
    - match: [{{ uri: {{ prefix: /r }} }}]
      redirect: {{ uri: /there, scheme: https, port: 443, redirectCode: 308 }}
    - match: [{{ uri: {{ prefix: /p }} }}]
      redirect: {{ authority: other.example, port: 8443 }}
    - match: [{{ uri: {{ prefix: /d }} }}]
      directResponse: {{ status: 418, body: {{ string: teapot }} }}
    - {REST}
"""
    lab.apply(SUBSETS + virtual_service(rules))
    moved = lab.get("client", "http://reviews/r?q=1")
    assert (moved.status, moved.headers["location"]) == (308, "https://reviews/there?q=1")
    assert lab.get("client", "http://reviews/p").headers["location"] == "http://other.example:8443/p"
    tea = lab.get("client", "http://reviews/d")
    assert (tea.status, tea.body) == (418, "teapot")


def test_the_first_virtual_service_by_name_owns_the_host(lab: Lab) -> None:
    second = virtual_service(f"[{{ {V2} }}]").replace("name: rules", "name: zzz")
    lab.apply(SUBSETS + virtual_service(f"[{REST}]") + second)
    assert {lab.get("client", "http://reviews/").pod for _ in range(4)} == {"reviews-v1"}


def test_a_host_that_no_service_has_is_a_host_all_the_same(lab: Lab) -> None:
    lab.apply(SUBSETS + virtual_service("[{ directResponse: { status: 299 } }]", host="*.shop.example"))
    assert lab.get("client", "http://a.shop.example/").status == 299


def test_a_delegate_is_narrowed_by_its_root(lab: Lab) -> None:
    two, no = (f"{{ match: [{{ uri: {{ prefix: {path} }} }}], {V2} }}" for path in ("/api/two", "/no"))
    leaf = virtual_service(f"[{two}, {no}, {REST}]")
    leaf = leaf.replace("name: rules", "name: leaf").replace('hosts: ["reviews"]', "")
    root = virtual_service("[{ match: [{ uri: { prefix: /api } }], delegate: { name: leaf } }]")
    lab.apply(SUBSETS + root + leaf)
    assert lab.get("client", "http://reviews/api/two").pod == "reviews-v2"
    assert lab.get("client", "http://reviews/api/one").pod == "reviews-v1"
    assert lab.get("client", "http://reviews/no").status == 404


def test_a_consistent_hash_pins_a_user_to_a_pod(lab: Lab) -> None:
    lab.apply(
        """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } } }
"""
    )
    pods = {
        user: {lab.get("client", "http://reviews/", headers={"x-user": user}).pod for _ in range(5)}
        for user in (str(number) for number in range(20))
    }
    assert all(len(seen) == 1 for seen in pods.values())
    assert len(set.union(*pods.values())) == 2
