"""Istio's policy by kubectl: in force at once, judged at the door."""

from __future__ import annotations

import base64
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from delinkcious.kubernetes import NotInstalled
from mesh.local.model import ROOT_NAMESPACE as ROOT
from tests.e2e.installation import NAMESPACE, eventually
from tests.e2e.kubernetes.conftest import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WITHIN_S = 30.0
# An editor that is no person: it puts a rule before the others.
EDITOR = """
import sys, yaml
file = sys.argv[1]
body = yaml.safe_load(open(file))
match = [{"headers": {"x-tea": {"exact": "please"}}}]
rule = {"name": "teapot", "match": match, "directResponse": {"status": 418}}
body["spec"]["http"].insert(0, rule)
open(file, "w").write(yaml.safe_dump(body))
"""


def virtual_service(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_what_kubectl_edit_writes_is_in_force(cluster: Cluster, tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    script.write_text(EDITOR)
    before = cluster.get("virtualservice/links-routes")
    path, tea = "/api/v1/links", {"x-tea": "please"}
    with cluster.edge() as edge:
        headers = cluster.account().headers
        assert edge.get(path, headers={**headers, **tea}).status_code == 200
        cluster.edit("virtualservice/links-routes", f"{sys.executable} {script}")
        eventually(
            lambda: edge.get(path, headers={**headers, **tea}).status_code == 418, WITHIN_S, "the new rule"
        )
        assert edge.get(path, headers=headers).status_code == 200
    restored = {"spec": {"http": before["spec"]["http"]}}
    cluster.kubectl(
        "patch",
        "virtualservice/links-routes",
        "-n",
        NAMESPACE,
        "--type=merge",
        "-p",
        yaml.safe_dump(restored),
    )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"route": [{"destination": {"host": "links"}, "weight": -5}]}, "-5"),
        ({"route": [{"destination": {"host": "links"}}], "redirect": {"uri": "/x"}}, "redirect"),
        ({"route": [{"destination": {"host": ""}}]}, "host"),
    ],
)
def test_wrong_policy_is_refused_with_its_reason(cluster: Cluster, rule: dict[str, object], why: str) -> None:
    with pytest.raises(NotInstalled, match=r"denied the request|invalid") as refused:
        cluster.apply(virtual_service("wrong", hosts=["links"], http=[rule]))
    assert why in str(refused.value)
    assert not cluster.commands.succeeds("kubectl", "get", "virtualservice/wrong", "-n", NAMESPACE)


def test_what_the_mesh_does_not_do_is_refused_by_name(cluster: Cluster) -> None:
    filter_ = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "lua"},
    }
    with pytest.raises(NotInstalled, match="valid Istio, not supported on the laptop: EnvoyFilter"):
        cluster.apply({**filter_, "spec": {"configPatches": []}})


def test_a_rule_for_a_host_that_is_not_there_is_a_warning(cluster: Cluster) -> None:
    route = [{"destination": {"host": "nowhere"}}]
    body = virtual_service("nowhere", hosts=["nowhere"], http=[{"route": route}])
    try:
        assert 'unknown host "nowhere"' in cluster.apply_and_warn(body)
    finally:
        cluster.kubectl("delete", "virtualservice/nowhere", "-n", NAMESPACE)


def test_a_gateway_may_come_before_its_certificate(cluster: Cluster) -> None:
    tls = {"mode": "SIMPLE", "credentialName": "comes-later"}
    port = {"number": 9443, "name": "https-more", "protocol": "HTTPS"}
    server = {"hosts": ["more.example"], "port": port, "tls": tls}
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "more"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }
    public = yaml.safe_load(cluster.kubectl("get", "secret/delinkcious-tls", "-n", ROOT, "-o", "yaml"))
    bad = base64.b64encode(b"\xff\xfe").decode()
    try:
        cluster.apply(gateway)
        others_take_effect(cluster, "first")
        write_secret(cluster, {"tls.crt": bad, "tls.key": bad})
        others_take_effect(cluster, "second")
        assert not shakes_hands(cluster)
        write_secret(cluster, public["data"])
        eventually(lambda: shakes_hands(cluster), WITHIN_S, "the certificate is used")
    finally:
        cluster.kubectl("delete", "gateway/more", "-n", NAMESPACE, "--ignore-not-found")
        cluster.kubectl("delete", "secret/comes-later", "-n", ROOT, "--ignore-not-found")


def write_secret(cluster: Cluster, data: dict[str, str]) -> None:
    file = cluster.folder / "secret.yaml"
    metadata = {"name": "comes-later", "namespace": ROOT}
    file.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    )
    cluster.kubectl("apply", "-f", str(file))


def shakes_hands(cluster: Cluster) -> bool:
    """Whether the gateway has a certificate for that port."""
    address = urlsplit(cluster.url).hostname
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, 9443), timeout=5) as plain,
            unchecked.wrap_socket(plain, server_hostname="more.example"),
        ):
            return True
    except OSError:
        return False


def others_take_effect(cluster: Cluster, name: str) -> None:
    """The mesh says so once every proxy has it: while one is asked it is there and may go again."""
    rule = [{"route": [{"destination": {"host": "links"}}]}]
    cluster.apply(virtual_service(name, hosts=[name], http=rule))
    eventually(lambda: f"virtualservice/{name} created" in cluster.log(), WITHIN_S, f"{name} is in force")
    cluster.kubectl("delete", f"virtualservice/{name}", "-n", NAMESPACE)


def test_the_mesh_s_own_commands_say_who_decides(cluster: Cluster) -> None:
    done = cluster.run("mesh", "scale", "links-v1", "--replicas", "2", "--state", str(cluster.state))
    assert done.returncode != 0
    assert "use kubectl" in done.stderr + done.stdout
