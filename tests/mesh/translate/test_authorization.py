"""AuthorizationPolicy: who may ask for what."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.mesh.translate.conftest import CLIENT, REVIEWS, STRANGER
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import policy

PODS = [CLIENT, STRANGER, *REVIEWS]

DENIED = (403, "RBAC: access denied")


def _ask(lab: Lab, path: str, client: str = "client", **more: object) -> tuple[int, str]:
    answer = lab.get(client, f"http://reviews.default{path}", **more)  # type: ignore[arg-type]
    return answer.status, "" if answer.status == 200 else answer.body


def test_nothing_named_is_nothing_allowed(lab: Lab) -> None:
    lab.apply(policy("nothing", "{}"))
    assert _ask(lab, "/") == DENIED


def test_sources(lab: Lab) -> None:
    sources = {
        "/exact": "principals: [cluster.local/ns/default/sa/client]",
        "/prefix": '"principals": ["cluster.local/ns/default/*"]',
        "/suffix": '"principals": ["*/sa/client"]',
        "/anybody": '"principals": ["*"]',
        "/namespace": "namespaces: [default]",
        "/not-namespace": "notNamespaces: [other]",
        "/account": "serviceAccounts: [default/client]",
        "/address": f"ipBlocks: [{lab.proxy('client').ip}]",
    }
    rules = ", ".join(
        f"{{ from: [{{ source: {{ {source} }} }}], to: [{{ operation: {{ paths: [{path}] }} }}] }}"
        for path, source in sources.items()
    )
    lab.apply(policy("sources", f"{{ rules: [{rules}] }}"))
    for path in sources:
        assert _ask(lab, path) == (200, ""), path
        expected = (200, "") if path == "/anybody" else DENIED
        assert _ask(lab, path, "stranger") == expected, path
        naked = lab.direct("reviews-v1", path).status
        assert naked == (200 if path == "/not-namespace" else 403), path
    assert _ask(lab, "/other") == DENIED


def test_operations(lab: Lab) -> None:
    operations = [
        "paths: [/a, '/b/*', '*/c', '/v/{*}/x', '/w/{**}/z'], notPaths: [/b/private]",
        "methods: [POST], paths: ['/m*']",
        "hosts: ['*.default'], paths: [/host]",
        "ports: ['8080'], paths: [/port]",
        "ports: ['80'], paths: [/service-port]",
    ]
    to = ", ".join(f"{{ operation: {{ {operation} }} }}" for operation in operations)
    header = "{ key: 'request.headers[x-key]', values: ['a*'], notValues: [abc] }"
    second = f"{{ to: [{{ operation: {{ paths: [/header] }} }}], when: [{header}] }}"
    lab.apply(policy("operations", f"{{ rules: [{{ to: [{to}] }}, {second}] }}"))
    allowed = ["/a", "/a?x=1", "/b/x", "/x/c", "/v/1/x", "/w/1/2/z", "/host", "/port"]
    denied = ["/b", "/b/private", "/a/", "/v/1/2/x", "/m", "/service-port", "/header", "/A"]
    assert [path for path in allowed if _ask(lab, path) != (200, "")] == []
    assert [path for path in denied if _ask(lab, path) != DENIED] == []
    assert _ask(lab, "/m", method="POST") == (200, "")
    assert _ask(lab, "/header", headers={"x-key": "ab"}) == (200, "")
    assert _ask(lab, "/header", headers={"x-key": "abc"}) == DENIED


def test_deny_comes_before_allow_and_a_trial_counts_for_nothing(lab: Lab) -> None:
    trial = policy("trial", "{ action: ALLOW, rules: [{ to: [{ operation: { paths: [/x] } }] }] }")
    trial = trial.replace(
        "namespace: default }", 'namespace: default, annotations: { istio.io/dry-run: "true" } }'
    )
    everywhere = policy(
        "deny", "{ action: DENY, rules: [{ to: [{ operation: { paths: [/no] } }] }] }", "istio-system"
    )
    audit = policy("audit", "{ action: AUDIT, rules: [{}] }")
    lab.apply(trial + everywhere + audit)
    assert _ask(lab, "/yes") == (200, "")
    assert _ask(lab, "/no") == DENIED
    lab.apply(policy("allow", "{ rules: [{}] }") + everywhere)
    assert (_ask(lab, "/yes"), _ask(lab, "/no")) == ((200, ""), DENIED)


def test_the_denial_names_its_rule_in_the_log(lab: Lab) -> None:
    lab.apply(policy("deny", "{ action: DENY, rules: [{ to: [{ operation: { paths: [/named] } }] }] }"))
    assert _ask(lab, "/named") == DENIED
    name = "rbac_access_denied_matched_policy[ns[default]-policy[deny]-rule[0]]"
    lab.wait_for_log("reviews-v1", "reviews-v2", text=name)


def test_tcp_knows_who_but_not_what(lab: Lab) -> None:
    lab.apply(
        policy("methods", "{ rules: [{ to: [{ operation: { methods: [GET], ports: ['9000'] } }] }] }")
        + policy(
            "who", "{ rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/client] } }] }] }"
        )
    )
    assert _tunnel(lab, "client") == 200
    with pytest.raises((ConnectionError, http.client.BadStatusLine)):
        _tunnel(lab, "stranger")


def _tunnel(lab: Lab, client: str) -> int:
    connection = http.client.HTTPConnection(*lab.proxy(client).egress, timeout=20)
    try:
        connection.set_tunnel("reviews.default", 9000)
        connection.request("GET", "/")
        response = connection.getresponse()
        json.loads(response.read())
        return response.status
    finally:
        connection.close()
