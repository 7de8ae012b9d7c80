"""Who may speak with whom, and as whom: certificates, policies and tokens of a running installation."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.forgery import Forger, answered_by_service, forger
from tests.e2e.installation import Account, Installation, Json, application, eventually, from_pod

LINKS = "http://links.delinkcious/api/v1/links"
JWKS_PATH = "/.well-known/jwks.json"
ADDRESS = re.compile(r"127\.\d+\.\d+\.\d+:\d+")

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: guests}
"""
GUEST = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: guests}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: guests}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata:
      labels: {app: NAME}
      annotations: {sidecar.istio.io/inject: "INJECT"}
    spec:
      serviceAccountName: NAME
      containers:
        - name: NAME
          image: none
          command: [sleep, infinity]
"""
FRIEND_MAY_CALL_LINKS = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: friend-of-links, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: links}}
  action: ALLOW
  rules:
    - from:
        - source: {principals: [cluster.local/ns/guests/sa/friend]}
"""


def guest(name: str, *, inject: bool = True) -> str:
    return GUEST.replace("NAME", name).replace("INJECT", str(inject).lower())


@pytest.fixture(scope="module")
def guests(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Json]]:
    """Pods of a namespace of their own: `stranger`, `friend` (whom a policy lets call links), `outside`."""
    file = tmp_path_factory.mktemp("guests") / "guests.yaml"
    parts = [NAMESPACE, guest("stranger"), guest("friend"), guest("outside", inject=False)]
    file.write_text("---".join([*parts, FRIEND_MAY_CALL_LINKS]))
    installation.told("mesh", "apply", "-f", str(file))
    pods = {
        name: eventually(partial(installation.ready, name), 60, f"{name} is ready")
        for name in ("stranger", "friend", "outside")
    }
    yield pods
    installation.told("mesh", "delete", "-f", str(file))


@pytest.fixture(scope="module")
def forge(installation: Installation) -> Forger:
    return forger(installation.pod("users-v1"))


@pytest.mark.usefixtures("guests")
def test_every_pod_is_described_by_the_fields_that_scripts_rely_on(installation: Installation) -> None:
    printed = json.loads(installation.told("mesh", "get", "pods", "-o", "json"))
    pods = {pod["workload"]: pod for pod in printed if not pod["optional"]}

    assert set(pods) >= {"ingressgateway", "links-v1", "users-v1", "stranger", "friend", "outside"}
    for pod in pods.values():
        assert set(pod) >= {"name", "namespace", "labels", "serviceAccount", "ip", "ports"}
        assert set(pod) >= {"egress", "admin", "ready", "configVersion"}
        assert pod["ready"] is True
        assert all(number.isdigit() and ADDRESS.fullmatch(at) for number, at in pod["ports"].items())
    links = pods["links-v1"]
    assert links["namespace"] == "delinkcious"
    assert links["serviceAccount"] == "links"
    assert links["labels"]["version"] == "v1"
    assert links["ports"]["80"] == f"{links['ip']}:8080"
    assert links["ports"]["9090"] == f"{links['ip']}:9090"
    assert ADDRESS.fullmatch(links["egress"])
    assert ADDRESS.fullmatch(links["admin"])
    gateway = pods["ingressgateway"]
    assert gateway["namespace"] == "istio-system"
    assert {"80", "443"} <= set(gateway["ports"])
    assert ADDRESS.fullmatch(gateway["admin"])
    assert gateway["configVersion"]
    stranger, outside = pods["stranger"], pods["outside"]
    assert stranger["ports"] == {}
    assert ADDRESS.fullmatch(stranger["egress"])
    assert (outside["egress"], outside["admin"], outside["configVersion"]) == (None, None, None)


@pytest.mark.parametrize("port", ["80", "9090"])
def test_plain_text_from_outside_the_mesh_is_cut_off(installation: Installation, port: str) -> None:
    host, _, number = installation.pod("links-v1")["ports"][port].partition(":")

    with socket.create_connection((host, int(number)), timeout=30) as connection:
        connection.sendall(b"GET /api/v1/links HTTP/1.1\r\nhost: links\r\n\r\n")
        try:
            answer = connection.recv(1024)
        except ConnectionResetError:
            answer = b""

    assert answer == b""


def test_the_port_of_the_public_keys_takes_plain_text_and_serves_nothing_else(
    installation: Installation,
) -> None:
    users = installation.pod("users-v1")
    sidecar = f"http://{users['ports']['8081']}"
    process = application(users).rpartition(":")[0] + ":8081"

    with httpx.Client(trust_env=False) as outside:
        keys = outside.get(sidecar + JWKS_PATH).json()["keys"]
        refused = [outside.get(sidecar + path) for path in ("/api/v1/users/me", "/healthz/live", "/")]
        changed = outside.post(sidecar + JWKS_PATH)
        missing = [outside.get(process + path) for path in ("/api/v1/users/me", "/metrics", "/")]

    assert all(key["alg"] == "ES256" and "d" not in key for key in keys)
    assert keys
    assert {response.status_code for response in [*refused, changed]} == {403}
    assert {response.status_code for response in missing} == {404}


@pytest.mark.parametrize(
    ("caller", "url"),
    [
        ("stranger", LINKS),
        ("stranger", "http://users.delinkcious/api/v1/users/me"),
        ("links-v1", "http://users/api/v1/users/me"),
        ("links-v1", "http://users:9090/metrics"),
        ("users-v1", "http://links/api/v1/links"),
    ],
)
def test_a_pod_that_no_rule_allows_gets_403_even_with_a_valid_token(
    installation: Installation, guests: dict[str, Json], account: Account, caller: str, url: str
) -> None:
    with from_pod(guests.get(caller) or installation.pod(caller)) as pod:
        answer = pod.get(url, headers=account.headers)

    assert answer.status_code == 403
    assert "RBAC" in answer.text


def test_links_may_fetch_the_public_keys_of_users(installation: Installation) -> None:
    with from_pod(installation.pod("links-v1")) as pod:
        assert pod.get(f"http://users:8081{JWKS_PATH}").status_code == 200


FORGERIES: dict[str, Callable[[Forger, Account], str]] = {
    "another key": Forger.by_another_key,
    "no signature": Forger.unsigned,
    "the public key as HMAC secret": Forger.by_the_public_key,
    "expired": Forger.expired,
    "another issuer": lambda forge, account: forge.signed(account, iss="https://elsewhere.example"),
    "another audience": lambda forge, account: forge.signed(account, aud="elsewhere"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_bad_token_is_refused_at_the_edge_at_the_sidecar_and_by_the_service_itself(
    installation: Installation,
    guests: dict[str, Json],
    forge: Forger,
    account: Account,
    edge: httpx.Client,
    forgery: str,
) -> None:
    bad = {"authorization": f"Bearer {FORGERIES[forgery](forge, account)}"}

    at_edge = edge.get("/api/v1/links", headers=bad)
    with from_pod(guests["friend"]) as friend:
        at_sidecar = friend.get(LINKS, headers=bad)
    with httpx.Client(trust_env=False) as machine:
        by_service = machine.get(f"{application(installation.pod('links-v1'))}/api/v1/links", headers=bad)

    by_proxies = 403 if forgery == "another audience" else 401  # as Istio does
    assert (at_edge.status_code, answered_by_service(at_edge)) == (by_proxies, False)
    assert (at_sidecar.status_code, answered_by_service(at_sidecar)) == (by_proxies, False)
    assert (by_service.status_code, answered_by_service(by_service)) == (401, True)


def test_a_valid_token_is_taken_at_the_edge_at_the_sidecar_and_by_the_service_itself(
    installation: Installation,
    guests: dict[str, Json],
    forge: Forger,
    account: Account,
    edge: httpx.Client,
) -> None:
    links = application(installation.pod("links-v1"))
    for token in (account.token, forge.signed(account)):  # else the forgeries would prove nothing
        headers = {"authorization": f"Bearer {token}"}

        with from_pod(guests["friend"]) as friend, httpx.Client(trust_env=False) as machine:
            answers = [
                edge.get("/api/v1/links", headers=headers),
                friend.get(LINKS, headers=headers),
                machine.get(f"{links}/api/v1/links", headers=headers),
            ]

        assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_without_a_token_the_service_answers_who_passed_the_sidecar(guests: dict[str, Json]) -> None:
    with from_pod(guests["friend"]) as friend:
        answer = friend.get(LINKS)

    assert (answer.status_code, answered_by_service(answer)) == (401, True)


def test_nobody_reads_changes_deletes_or_finds_the_private_links_of_another(
    installation: Installation, edge: httpx.Client
) -> None:
    ann, bob = installation.account(), installation.account()
    mine = {"url": "https://example.org/diary", "title": "A zanzibar diary", "private": True, "tags": ["own"]}
    saved = edge.post("/api/v1/links", json=mine, headers=ann.headers).json()
    path = f"/api/v1/links/{saved['id']}"

    seen = [
        edge.get(path, headers=bob.headers).status_code,
        edge.patch(path, json={"title": "Bob's"}, headers=bob.headers).status_code,
        edge.delete(path, headers=bob.headers).status_code,
    ]
    listed = edge.get("/api/v1/links", headers=bob.headers).json()["items"]
    found = edge.get("/api/v1/links/search", params={"q": "zanzibar"}, headers=bob.headers).json()["items"]
    tags = edge.get("/api/v1/tags", headers=bob.headers).json()["items"]
    export = edge.get("/api/v1/exports", params={"format": "netscape"}, headers=bob.headers).text

    assert seen == [404, 404, 404]
    assert (listed, found, tags) == ([], [], [])
    assert "diary" not in export
    kept = edge.get(path, headers=ann.headers)
    assert kept.json() == saved
    own = edge.get("/api/v1/links/search", params={"q": "zanzibar"}, headers=ann.headers).json()["items"]
    assert len(own) == 1


def test_plain_http_at_the_edge_only_redirects(installation: Installation, edge: httpx.Client) -> None:
    gateway = installation.pod("ingressgateway")["ports"]["80"]

    with httpx.Client(trust_env=False) as outside:
        answer = outside.get(f"http://{gateway}/api/v1/links", headers={"host": "links.example"})

    assert answer.status_code == 301
    assert answer.headers["location"].startswith("https://links.example/")


def test_keys_tokens_and_secrets_lie_where_only_their_owner_can_read(installation: Installation) -> None:
    assert installation.state.stat().st_mode & 0o077 == 0
    for pattern in ("**/*.key", "secrets.json", "pods/**/certs/*", "control.sock"):
        files: list[Path] = list(installation.state.glob(pattern))
        assert files, pattern
        assert [file for file in files if file.stat().st_mode & 0o077] == []


def test_a_client_outside_cannot_shorten_the_time_of_its_request(
    installation: Installation, account: Account
) -> None:
    headers = {**account.headers, "x-request-timeout-ms": "0"}
    with installation.edge() as client:
        assert client.get("/api/v1/links", headers=headers).status_code == 200
