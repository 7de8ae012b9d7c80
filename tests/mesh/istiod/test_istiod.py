"""The same workloads and the same YAML under a real istiod."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import ssl
from collections.abc import Callable

import psutil
import pytest

from mesh.local import resources
from mesh.local.istiod import kinds
from mesh.local.istiod.api import Api
from mesh.local.model import Json
from mesh.local.runtime.errors import MeshError
from tests.mesh.istiod.manifests import AUTHORITY, HOST
from tests.mesh.runtime.conftest import PATIENCE_S, Running, until
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_changes import Load

ANSWERED_WITHIN_S = 30.0


def test_a_request_passes_two_sidecars_by_mutual_tls(mesh: Running) -> None:
    assert mesh.get("http://reviews/").json() == "v1"
    address, _, port = mesh.pod("reviews-v1")["ports"]["80"].partition(":")
    with pytest.raises(OSError, match=r"reset|closed|refused"):  # STRICT: plain text is no way in
        _answer(address, int(port), b"GET / HTTP/1.0\r\n\r\n")


def test_what_happens_is_told_without_istios_own_metrics(mesh: Running) -> None:
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        until(lambda: load.answers.total() > 0)
        code, output = mesh.command("top", "--once", "--interval", "0.5", "-o", "json")
    assert code == 0, output
    [found] = [one for one in json.loads(output) if one["workload"] == "default/reviews-v1"]
    assert (found["rate"] > 0, found["errors"], found["mutualTls"]) == (True, 0, 1)
    assert found["countedBy"] == ["envoy"]


def test_an_edited_weight_is_in_force_when_the_command_returns(mesh: Running, manifests: Manifests) -> None:
    for weight, version in ((0, "v2"), (100, "v1")) * 3:
        mesh.apply(manifests.split(weight))
        assert {mesh.get("http://reviews/").json() for _ in range(5)} == {version}


def test_a_denial_is_in_force_and_gone_when_the_commands_return(mesh: Running, manifests: Manifests) -> None:
    mesh.apply(manifests.denial("/secret"))
    refused = mesh.get("http://reviews/secret")
    assert (refused.status_code, refused.text) == (403, "RBAC: access denied")
    assert mesh.get("http://reviews/").status_code == 200
    mesh.delete(manifests.denial("/secret"))
    assert mesh.get("http://reviews/secret").status_code == 200


def test_what_istiod_refuses_changes_nothing_and_is_told_in_its_words(
    mesh: Running, manifests: Manifests
) -> None:
    with pytest.raises(MeshError, match=r"applied.yaml:\d+: error: VirtualService reviews: weight -5 < 0"):
        mesh.apply(manifests.split(0).replace("weight: 100", "weight: -5"))
    with pytest.raises(
        MeshError, match=r'applied.yaml:1\d: .*unknown field "spec.http\[0\].route\[0\].wieght"'
    ):
        mesh.apply(manifests.split(0).replace("weight: 0", "wieght: 0"))
    assert mesh.get("http://reviews/").json() == "v1"


def test_one_refused_object_keeps_the_others_out(mesh: Running, manifests: Manifests) -> None:
    wrong = manifests.denial("/secret").replace("action: DENY", "action: DENIED")
    with pytest.raises(MeshError, match="AuthorizationPolicy denial"):
        mesh.apply(manifests.split(0) + wrong)
    assert mesh.get("http://reviews/").json() == "v1"


def test_tcp_passes_by_connect(mesh: Running) -> None:
    assert _through(mesh, "echo:9000", b"hello") == b"echo hello"


def test_a_virtual_service_routes_tcp(mesh: Running) -> None:
    service = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reroute }
spec:
  hosts: [echo]
  tcp: [{ route: [{ destination: { host: nobody.default.svc.cluster.local, port: { number: 9000 } } }] }]
"""
    mesh.apply(service)
    assert _through(mesh, "echo:9000", b"hello") == b""
    mesh.delete(service)
    assert _through(mesh, "echo:9000", b"hello") == b"echo hello"


def test_a_gateway_lets_requests_in(mesh: Running) -> None:
    services = {service["name"]: service["publicIp"] for service in mesh.client.get("/get/services")}
    request = b"GET / HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n"
    assert _answer(services["gate"], 8080, request).startswith(b"HTTP/1.1 200")


def test_a_gateway_ends_tls_by_a_secret(mesh: Running) -> None:
    services = {service["name"]: service["publicIp"] for service in mesh.client.get("/get/services")}
    context = ssl.create_default_context(cadata=AUTHORITY.root)
    connection = socket.create_connection((services["edge"], 8443), ANSWERED_WITHIN_S)
    with context.wrap_socket(connection, server_hostname=HOST) as secure:
        secure.sendall(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        assert _rest(secure).startswith(b"HTTP/1.1 200")


def test_kinds_that_only_istiod_knows_are_applied(mesh: Running) -> None:
    entry = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: elsewhere }
spec:
  hosts: [elsewhere.example]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  location: MESH_EXTERNAL
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: elsewhere }
spec:
  hosts: [elsewhere.example]
  http: [{ directResponse: { status: 418 } }]
"""
    mesh.apply(entry)
    assert mesh.get("http://elsewhere.example/").status_code == 418
    mesh.delete(entry)


def test_an_entry_that_leads_past_a_sidecar_is_refused(mesh: Running) -> None:
    process = _process(mesh, "reviews-v1")
    refused = rf"applied.yaml:9: error: ServiceEntry .*{process} is where a pod's process listens"
    with pytest.raises(MeshError, match=refused):
        mesh.apply(_inside(process))


def test_a_request_that_is_led_past_a_sidecar_is_refused(mesh: Running) -> None:
    mesh.apply(_inside("127.0.0.1"))
    [entry] = resources.parse(_inside(_process(mesh, "reviews-v1")), "inside.yaml")
    asyncio.run(_put(mesh, kinds.written(entry)))  # as if it were DNS that says so
    answer = until(lambda: (got := mesh.get("http://inside.example/")).status_code == 403 and got)
    assert answer.text == "RBAC: access denied"
    mesh.delete(_inside("127.0.0.1"))


def test_another_name_of_a_service_leads_to_it(mesh: Running) -> None:
    spec = "{ type: ExternalName, externalName: reviews.default.svc.cluster.local }"
    alias = f"apiVersion: v1\nkind: Service\nmetadata: {{ name: old }}\nspec: {spec}\n"
    mesh.apply(alias)
    assert mesh.get("http://old/").status_code == 200
    mesh.delete(alias)


def test_what_a_proxy_has_from_istiod_is_shown(mesh: Running) -> None:
    names = {cluster["name"] for cluster in mesh.client.get("/get/clusters")}
    assert "outbound|80|v2|reviews.default.svc.cluster.local" in names
    routes = [route for route in mesh.client.get("/get/routes") if "reviews" in route["domains"]]
    assert {target["cluster"] for route in routes for target in route["to"]} >= {
        "outbound|80|v1|reviews.default.svc.cluster.local"
    }


def test_an_edit_and_a_refusal_are_told_as_under_the_embedded_control_plane(
    mesh: Running, manifests: Manifests
) -> None:
    edit = mesh.folder / "edit.yaml"
    edit.write_text(manifests.split(70))
    code, output = mesh.command("diff", "-f", str(edit))
    assert code == 1, output
    assert "30 % to v2" in output
    assert "\n  cluster " not in output  # nothing but what the edit is about
    mesh.apply(manifests.denial("/secret"))
    code, output = mesh.command("explain", "deployment/client", "GET", "http://reviews/secret", "--live")
    mesh.delete(manifests.denial("/secret"))
    assert (code, "It went as predicted." in output) == (0, True), output
    assert "answeredBy: the sidecar of default/reviews-v1" in output
    assert f"{mesh.state.folder} under istiod (process" in mesh.command("status")[1]


def test_pods_come_and_go(mesh: Running, manifests: Manifests) -> None:
    for replicas in (3, 1):
        mesh.client.post(
            "/scale",
            {"namespace": "default", "name": "reviews-v1", "replicas": replicas, "wait": True},
        )
        until(lambda count=replicas: len(mesh.pods("reviews-v1")) == count)  # type: ignore[misc]
        assert {mesh.get("http://reviews/").json() for _ in range(6)} == {"v1"}


def test_a_killed_sidecar_comes_back(mesh: Running) -> None:
    old = mesh.pid("reviews-v1", "istio-proxy")
    assert old is not None
    os.kill(old, 9)
    until(lambda: mesh.pid("reviews-v1", "istio-proxy") not in (None, old))
    until(lambda: mesh.pod("reviews-v1")["ready"])
    assert until(lambda: mesh.get("http://reviews/").status_code == 200)


@pytest.mark.parametrize("process", ["istiod", "kube-apiserver"])
def test_a_killed_control_plane_comes_back(mesh: Running, manifests: Manifests, process: str) -> None:
    arguments = {pid: psutil.Process(pid).cmdline() for pid in mesh.members()}
    program = {"istiod": "discovery", "kube-apiserver": "--authorization-mode=RBAC"}[process]
    [old] = [pid for pid, words in arguments.items() if program in words]
    os.kill(old, 9)
    assert mesh.get("http://reviews/").json() == "v1"  # nobody needs it for a request
    (mesh.files / "denial.yaml").write_text(manifests.denial("/secret"))  # taken over when it is back
    assert until(lambda: mesh.get("http://reviews/secret").status_code == 403)
    (mesh.files / "denial.yaml").unlink()
    assert until(lambda: mesh.get("http://reviews/secret").status_code == 200)


def test_certificates_are_renewed_over_the_stream(mesh: Running) -> None:
    assert mesh.client.post("/rotate", {})["proxies"] == len(mesh.client.get("/get/pods"))
    assert mesh.get("http://reviews/").status_code == 200


def test_sigterm_ends_everything(new_mesh: Callable[[str], Running], manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair())
    assert mesh.stop() == 0
    assert not mesh.members()
    assert "internal error" not in mesh.output


def test_no_process_outlives_a_killed_supervisor(
    new_mesh: Callable[[str], Running], manifests: Manifests
) -> None:
    mesh = new_mesh(manifests.pair())
    assert len(mesh.members()) >= 7
    mesh.kill()
    until(lambda: not mesh.members())


def test_what_istiod_refuses_at_the_start_is_said(
    new_mesh: Callable[[str], Running], manifests: Manifests
) -> None:
    running = new_mesh(manifests.pair())
    assert running.stop() == 0
    wrong = manifests.split(0).replace("weight: 100", "weight: -5")
    shapeless = _inside("127.0.0.1").replace("[inside.example]", "3")
    (running.files / "mesh.yaml").write_text(manifests.pair() + wrong + "---" + shapeless)
    running.begin()
    assert running.process is not None
    assert running.process.wait(PATIENCE_S) == 1
    assert "VirtualService reviews: weight -5 < 0" in running.output
    assert "ServiceEntry inside: spec.hosts: expected list" in running.output
    assert "internal error" not in running.output
    assert not running.members()


def _process(mesh: Running, workload: str) -> str:
    """Where the process of a pod listens, behind its sidecar."""
    address, _, _ = mesh.pod(workload)["ports"]["80"].partition(":")
    return str(ipaddress.ip_address(address) + 2**15)


def _inside(address: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: inside }}
spec:
  hosts: [inside.example]
  resolution: STATIC
  ports: [{{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }}]
  endpoints: [{{ address: {address} }}]
"""


async def _put(mesh: Running, body: Json) -> None:
    api = Api(mesh.state.folder / "istiod" / "delinkcious-mesh.yaml")
    try:
        await api.put(body)
    finally:
        await api.close()


def _through(mesh: Running, authority: str, piece: bytes) -> bytes:
    """What comes back of a piece of TCP that the client's pod sends; nothing when the connection ends."""
    host, _, port = mesh.pod("client")["egress"].partition(":")
    with socket.create_connection((host, int(port)), ANSWERED_WITHIN_S) as connection:
        connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode())
        if b" 200 " not in connection.recv(4096):
            return b""
        try:
            connection.sendall(piece)
            return connection.recv(4096)
        except ConnectionError:
            return b""


def _answer(host: str, port: int, request: bytes) -> bytes:
    with socket.create_connection((host, port), ANSWERED_WITHIN_S) as connection:
        connection.sendall(request)
        if not (answer := _rest(connection)):
            raise ConnectionResetError("closed without an answer")
        return answer


def _rest(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(4096):
        answer += piece
    return answer
