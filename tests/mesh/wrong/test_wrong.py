"""Deliberately wrong set-ups: each is named by `mesh check`, and by `mesh explain --live`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from delinkcious.commands.mesh import mesh as command
from mesh.local.check.messages import id_of
from mesh.local.model import Finding
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests
from tests.unit.mesh.cases import Case, expected, unmet

SETUPS = sorted((Path(__file__).parent / "setups").iterdir())
ASKED = [setup for setup in SETUPS if "request" in (setup / "expected.yaml").read_text()]


def base() -> str:
    """A client, a service behind one pod, and a gateway that no Gateway object is for."""
    made = Manifests()
    kept = [one for one in yaml.safe_load_all(made.gateway()) if one["kind"] in ("Deployment", "Service")]
    return made.pair() + "".join(f"---\n{yaml.safe_dump(one)}" for one in kept)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def wanted(setup: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((setup / "expected.yaml").read_text())
    return found


def test_there_are_ten_of_them() -> None:
    assert len(SETUPS) >= 10 and len(ASKED) >= 8


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_check_names_the_mistake_and_nothing_else(setup: Path, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(base())
    text = (setup / "setup.yaml").read_text()
    done = run("check", "-f", str(tmp_path), "-f", str(setup / "setup.yaml"), "-o", "json")
    findings = [
        Finding(one["level"], one["file"], one["line"] or 0, one["kind"], one["object"], one["field"],
                one["message"], one["id"])
        for one in json.loads(done.stdout)
    ]  # fmt: skip
    case = Case(setup.name, text, tuple(expected(text)))
    assert unmet(case, findings, "error") == []
    assert unmet(case, findings, "warning") == []
    assert sorted(id_of(found) for found in findings) == sorted(wanted(setup)["ids"])
    errors = any(found.level == "error" for found in findings)
    assert done.exit_code == (1 if errors else 0)
    assert (
        run("check", "--fail-on", "warning", "-f", str(tmp_path), "-f", str(setup / "setup.yaml")).exit_code
        == 1
    )


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("wrong"))
    (made.files / "mesh.yaml").write_text(base())
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("setup", ASKED, ids=lambda setup: setup.name)
def test_explain_names_what_the_request_then_meets(mesh: Running, setup: Path) -> None:
    hope = wanted(setup)
    text = (setup / "setup.yaml").read_text()
    where = ("--state", str(mesh.state.folder))
    mesh.apply(text)
    try:
        done = run("explain", *hope["request"], "--live", *where)
        assert "It went as predicted." in done.output, done.output
        assert f"happened:\n  status: {hope['status']}" in done.output or hope["status"] is None
        for words in hope["says"]:
            assert words in done.output, words
    finally:
        mesh.delete(text)


TCP = """---
apiVersion: v1
kind: Service
metadata: { name: sql }
spec: { selector: { app: client }, ports: [{ name: tcp-sql, port: 5432, targetPort: 8080 }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: sql }
spec:
  selector: { matchLabels: { app: client } }
  action: DENY
  rules: [{ from: [{ source: { namespaces: [NAMESPACE] } }], to: [{ operation: { ports: ["8080"] } }] }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
"""


def test_an_https_url_is_tried_as_the_connection_that_clients_ask_for(mesh: Running) -> None:
    done = run(
        "explain", "reviews", "GET", "https://reviews:80/", "--live", "--state", str(mesh.state.folder)
    )
    assert done.exit_code == 0, done.output
    assert "reason: port 80 speaks HTTP" in done.output
    assert "tunnel: closed" in done.output


@pytest.mark.parametrize(("namespace", "verdict"), [("default", "closed"), ("other", "open")])
def test_a_tcp_connection_is_explained_by_what_its_policy_does(
    mesh: Running, namespace: str, verdict: str
) -> None:
    where = ("--state", str(mesh.state.folder))
    text = TCP.replace("NAMESPACE", namespace)
    mesh.apply(text)
    try:
        done = run("explain", "reviews", "CONNECT", "sql:5432", "--live", "-o", "json", *where)
        told = json.loads(done.stdout)
    finally:
        mesh.delete(text)
    assert (done.exit_code, told["differences"]) == (0, [])
    assert told["happened"]["tunnel"] == verdict
    [target] = told["predicted"]["targets"]
    assert target["mode_by"]["resource"] == "PeerAuthentication default/default"
    assert target["mode_by"]["field"] == "spec.mtls.mode"
    [server] = told["happened"]["servers"]
    assert server["pod"].startswith("default/client-")
    who = "process" if verdict == "open" else "sidecar"
    assert told["happened"]["answeredBy"].startswith(f"the {who} of default/client-")
    if verdict == "closed":
        assert server["meaning"] == "rule 0 of AuthorizationPolicy default/sql refuses it"


def test_a_request_from_the_world_is_followed_through_the_gateway(mesh: Running) -> None:
    made = yaml.safe_load_all(Manifests().gateway())
    edge = [one for one in made if one["kind"] in ("Gateway", "VirtualService")]
    text = "---\n".join(yaml.safe_dump(one) for one in edge)
    where = ("--state", str(mesh.state.folder))
    mesh.apply(text)
    try:
        told = json.loads(
            run("explain", "gate", "GET", "http://any.example/", "--live", "-o", "json", *where).stdout
        )
    finally:
        mesh.delete(text)
    happened = told["happened"]
    assert told["differences"] == [] and happened["status"] == 200
    assert happened["client"]["pod"].startswith("default/gate-")
    assert [server["pod"].startswith("default/reviews-") for server in happened["servers"]] == [True]
    assert happened["answeredBy"].startswith("the process of default/reviews-")


COUNTED = """---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: counted, namespace: istio-system }
spec: { metrics: [{ providers: [{ name: prometheus }] }] }
"""


def test_top_shows_what_each_service_gets(mesh: Running) -> None:
    where = ("--state", str(mesh.state.folder))
    done = threading.Event()

    def ask() -> None:
        with mesh.from_pod("client") as client:
            while not done.is_set():
                client.get("http://reviews/status/500")

    def rows() -> dict[str, dict[str, Any]]:
        told = json.loads(run("top", "--once", "--interval", "0.3", "-o", "json", *where).stdout)
        return {one["service"]: one for one in told}

    def counted_by(source: str) -> bool:
        seen[source] = rows()["reviews"]
        return bool(seen[source]["countedBy"] == [source])

    seen: dict[str, dict[str, Any]] = {}
    assert rows()["reviews"]["rate"] == 0
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        until(lambda: counted_by("envoy"))
        mesh.apply(COUNTED)
        until(lambda: counted_by("istio"))
    finally:
        done.set()
        asking.join()
        mesh.delete(COUNTED)
    for reviews in seen.values():
        assert reviews["rate"] > 0 and reviews["errors"] == 1.0 and reviews["mutualTls"] == 1.0
        assert (reviews["ready"], reviews["total"], reviews["declared"]) == (1, 1, [])


def test_diff_says_before_it_is_applied_who_would_do_what(mesh: Running) -> None:
    where = ("--state", str(mesh.state.folder))
    file = str(Path(__file__).parent / "setups/caller-that-is-nobody/setup.yaml")
    done = run("diff", "-f", file, *where)
    assert done.exit_code == 1, done.output
    assert "AuthorizationPolicy default/callers would be created" in done.output
    assert "new policy AuthorizationPolicy default/callers: ALLOW: 1 rule" in done.output
    told = json.loads(run("diff", "-f", file, "-o", "json", *where).stdout)
    assert {proxy["workload"] for proxy in told["proxies"]} == {"reviews"}
    assert {one["kind"] for proxy in told["proxies"] for one in proxy["envoy"]} == {"listeners"}
    assert run("diff", "-f", str(mesh.files), *where).exit_code == 0
    assert run("diff", "-f", str(mesh.folder / "nope.yaml"), *where).exit_code == 2
    assert mesh.client.get("/get/policies") == []


def test_what_a_proxy_has_is_shown_by_its_deployment(mesh: Running) -> None:
    where = ("--state", str(mesh.state.folder))

    def rows(kind: str, name: str) -> list[dict[str, Any]]:
        done = run("get", kind, name, "-o", "json", *where)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        assert {row["workload"] for row in found} == {name.rpartition("/")[2]}
        return found

    pod = mesh.pod("reviews")
    [inbound] = [row for row in rows("listeners", "deployment/reviews") if row["direction"] == "inbound"]
    assert inbound["address"] == f"{pod['ip']}:8080" and inbound["protocol"] == "HTTP"
    assert [chain["takes"] for chain in inbound["chains"]] == ["mutual TLS of the mesh", "plain text"]
    [own, trusted] = rows("certs", "deployment/reviews")
    assert own["names"] == ["spiffe://cluster.local/ns/default/sa/default"]
    assert own["notBefore"] < own["notAfter"] < trusted["notAfter"]
    known = {row["cluster"]: row for row in rows("endpoints", "client")}
    there = known["outbound|80||reviews.default.svc.cluster.local"]
    assert (there["endpoint"], there["health"]) == (f"default/{pod['name']}", "healthy")
    assert run("get", "certs", "-o", "table", *where).exit_code == 0
