"""Who may ask what: etcd, the API server and the node let nobody in who is not known."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx
import pytest
import yaml

from delinkcious.kubernetes import kubeconfig
from mesh.local.kubernetes.machine import PORT
from mesh.local.kubernetes.plane import API_PORT, ETCD_PORT
from tests.e2e.kubernetes.conftest import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def address(cluster: Cluster, program: str) -> str:
    """Where a process of the control plane listens."""
    [process] = [one for one in cluster.processes() if one.name() == program]
    return str(next(one.laddr.ip for one in process.net_connections() if one.status == "LISTEN"))


def asked(url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Whatever the certificate of the other side: it is ours that is tried."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    return httpx.get(url, headers=headers or {}, verify=unchecked, trust_env=False, timeout=10)


def test_etcd_and_the_node_ask_for_a_certificate(cluster: Cluster) -> None:
    server = address(cluster, "kube-apiserver")
    for url in (
        f"https://{address(cluster, 'etcd')}:{ETCD_PORT}/version",
        f"https://{server}:{PORT}/containerLogs/delinkcious/any/any",
    ):
        with pytest.raises(httpx.TransportError):
            asked(url)


def test_the_api_server_asks_for_a_token(cluster: Cluster) -> None:
    url = f"https://{address(cluster, 'kube-apiserver')}:{API_PORT}/api/v1/secrets"
    assert asked(url).status_code == 401
    assert asked(url, {"authorization": "Bearer nobody"}).status_code == 401
    account = yaml.safe_load(kubeconfig(cluster.state).read_text())["users"][0]["user"]
    assert asked(url, {"authorization": f"Bearer {account['token']}"}).status_code == 200


def test_what_holds_a_secret_is_for_its_owner_alone(cluster: Cluster) -> None:
    files = [file for file in (cluster.state / "kubernetes").rglob("*") if file.is_file()]
    assert len(files) > 5
    ours = [file for file in files if file.parent.name != "certificates"]  # the others are the server's own
    assert {oct(file.stat().st_mode & 0o077) for file in ours} == {"0o0"}
    assert oct((cluster.state / "kubernetes").stat().st_mode & 0o077) == "0o0"
