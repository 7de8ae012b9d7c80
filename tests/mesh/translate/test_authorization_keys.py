"""Every key of `when`, and the forms of `from` and `to`, on requests and on connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mesh.translate.conftest import CLIENT, STRANGER
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.plain_server import serving, tunnel, word_of
from tests.mesh.translate.rules import policy
from tests.mesh.translate.tokens import ISSUER, Signer

pytestmark = pytest.mark.slow
PODS = [CLIENT, STRANGER, Pod("reviews-v1", {"app": "reviews"}, ports=(8080, 9000))]
SERVED = [service("reviews", http="80:8080", tcp="9000")]
CLIENT_ID = "cluster.local/ns/default/sa/client"
SNI = "outbound_.80_._.reviews.default.svc.cluster.local"


KEYS = [
    ("source.namespace", "default", "other"),
    ("source.namespace", "def*", "*her"),
    ("source.principal", CLIENT_ID, "cluster.local/ns/other/sa/client"),
    ("source.principal", "*/sa/client", "*/sa/stranger"),
    ("source.serviceAccount", "client", "stranger"),
    ("source.serviceAccount", "default/client", "other/client"),
    ("source.trustDomain", "cluster.local", "other.local"),
    ("source.trustDomain", "cluster*", "*.example"),
    ("source.ip", "127.0.0.0/8", "10.0.0.0/8"),
    ("remote.ip", "127.0.0.0/8", "10.0.0.1"),
    ("destination.ip", "127.0.0.0/8", "10.0.0.0/8"),
    ("destination.port", "8080", "80"),
    ("connection.sni", SNI, "a.example"),
    ("connection.sni", "outbound_.80*", "*.example"),
    ("request.headers[x-key]", "value", "other"),
    ("request.headers[X-Key]", "*", "no*"),
]
CLAIMS = [
    ("request.auth.principal", f"{ISSUER}/7", f"{ISSUER}/8"),
    ("request.auth.principal", "*/7", "*/8"),
    ("request.auth.principal", f"{ISSUER}/*", "https://other.example/*"),
    ("request.auth.principal", "*", "nobody/nowhere"),
    ("request.auth.audiences", "here", "there"),
    ("request.auth.presenter", "app", "another"),
    ("request.auth.claims[groups]", "dev", "ops"),
    ("request.auth.claims[groups]", "de*", "*ps"),
    ("request.auth.claims[user][tier]", "gold", "silver"),
]


def _each(keys: list[tuple[str, str, str]]) -> str:
    """One policy with four rules for each key, every rule for a path of its own."""
    rules = []
    for number, (key, value, other) in enumerate(keys):
        for name, condition in (
            ("yes", f"values: ['{other}', '{value}']"),
            ("no", f"values: ['{other}']"),
            ("not", f"notValues: ['{other}']"),
            ("never", f"values: ['{value}'], notValues: ['{value}']"),
        ):
            path = f"to: [{{ operation: {{ paths: [/{number}/{name}] }} }}]"
            rules.append(f"{{ {path}, when: [{{ key: '{key}', {condition} }}] }}")
    return policy("keys", f"{{ rules: [{', '.join(rules)}] }}")


def _allow(when: str) -> str:
    return policy("keys", f"{{ rules: [{{ when: [{when}] }}] }}")


def _status(lab: Lab, client: str = "client", path: str = "/", **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lab.get(client, f"http://reviews.default{path}", headers=sent).status


def _wrong(lab: Lab, keys: list[tuple[str, str, str]], **headers: str) -> list[str]:
    """The keys of which a rule did not do what it says."""
    expected = {"yes": 200, "no": 403, "not": 200, "never": 403}
    return [
        f"{key}={value} {name}"
        for number, (key, value, _) in enumerate(keys)
        for name, status in expected.items()
        if _status(lab, path=f"/{number}/{name}", **headers) != status
    ]


def test_a_key_lets_in_whom_its_values_name(lab: Lab) -> None:
    lab.apply(_each(KEYS))
    assert _wrong(lab, KEYS, x_key="value") == []


def test_a_key_of_tokens_reads_their_claims(lab: Lab) -> None:
    signer = Signer()
    tokens = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{ name: tokens, namespace: default }}
spec:
  selector: {{ matchLabels: {{ app: reviews }} }}
  jwtRules: [{{ issuer: "{ISSUER}", jwks: '{signer.jwks}' }}]
---
"""
    claims = {"aud": ["a", "here"], "azp": "app", "groups": ["x", "dev"], "user": {"tier": "gold"}}
    lab.apply(tokens + _each(CLAIMS))
    assert _wrong(lab, CLAIMS, **signer.bearer(**claims)) == []
    assert {_status(lab, path=f"/{number}/yes") for number in range(len(CLAIMS))} == {403}


def test_conditions_add_up_and_lists_are_alternatives(lab: Lab) -> None:
    both = "{ key: source.namespace, values: [default, other] }, "
    lab.apply(_allow(both + "{ key: 'request.headers[x-key]', values: [a, b] }"))
    assert [_status(lab, x_key=key) for key in ("a", "b", "c")] == [200, 200, 403]
    assert _status(lab, "stranger", x_key="a") == 200


def test_a_rule_on_trial_is_only_logged(lab: Lab) -> None:
    annotated = policy("trial", "{ action: DENY, rules: [{}] }").replace(
        "namespace: default }", "namespace: default, annotations: { istio.io/dry-run: 'true' } }"
    )
    lab.apply(annotated)
    assert _status(lab) == 200
    assert "istio_dry_run_deny_.shadow_denied: 1" in lab.admin("reviews-v1", "/stats?filter=dry_run")


@pytest.fixture(scope="module", autouse=True)
def _word(running: Lab) -> Iterator[None]:
    with serving(running.vacate("reviews-v1", 9000), "here"):
        yield


def _connects(lab: Lab, client: str = "client") -> bool:
    try:
        return word_of(tunnel(lab.proxy(client).egress, "reviews.default:9000")) == "here"
    except OSError:
        return False


def test_connections_are_judged_by_what_they_have(lab: Lab) -> None:
    lab.apply(policy("who", "{ rules: [{ from: [{ source: { namespaces: [default] } }] }] }"))
    assert (_connects(lab), _connects(lab, "stranger")) == (True, False)
    lab.apply(policy("port", "{ action: DENY, rules: [{ to: [{ operation: { ports: ['9000'] } }] }] }"))
    assert (_connects(lab), _status(lab)) == (False, 200)


def test_what_only_requests_have_never_allows_a_connection_and_always_denies_one(lab: Lab) -> None:
    lab.apply(policy("get", "{ rules: [{ to: [{ operation: { methods: [GET] } }] }] }"))
    assert (_connects(lab), _status(lab)) == (False, 200)
    lab.apply(policy("post", "{ action: DENY, rules: [{ to: [{ operation: { methods: [POST] } }] }] }"))
    assert (_connects(lab), _status(lab)) == (False, 200)
    lab.apply(policy("audit", "{ action: AUDIT, rules: [{}] }"))
    assert (_connects(lab), _status(lab)) == (True, 200)
