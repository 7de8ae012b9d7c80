"""A pod reaches other pods as on Kubernetes: at their ports, not at what is inside them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from pathlib import Path

import httpx
import pytest

from mesh.local import resources
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.pod import Pod
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_library import egress, running

pytestmark = pytest.mark.anyio

ELSEWHERE = "127.254.255.1:8080"  # where another mesh of this machine would have a process


def _pod(mesh: Mesh, workload: str) -> Pod:
    return next(pod for pod in mesh.controller.pods.values() if pod.manifest.workload == workload)


def _status(mesh: Mesh, url: str) -> int:
    """The answer to a URL as it is written, which httpx would normalise."""
    host, _, port = egress(mesh, "client").removeprefix("http://").partition(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
        connection.request("GET", url)
        return connection.getresponse().status


def _entry(address: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: inside }}
spec:
  hosts: [inside.example.com]
  resolution: STATIC
  ports: [{{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }}]
  endpoints: [{{ address: {address} }}]
"""


async def test_what_is_inside_a_pod_is_refused_to_its_neighbours(
    tmp_path: Path, manifests: Manifests
) -> None:
    async with (
        running(tmp_path, manifests.pair()) as mesh,
        httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30) as client,
    ):
        place = _pod(mesh, "reviews").place.addresses
        inside = [f"{place.pod}:15000", f"{place.pod}:15001", f"{place.app}:8080", ELSEWHERE]
        answers = [await client.get(f"http://{address}/ready") for address in inside]
        assert [answer.status_code for answer in answers] == [403] * len(inside)
        assert await asyncio.to_thread(_status, mesh, f"http://[::ffff:{place.pod}]:15000/ready") == 403
        assert (await client.post(f"http://{place.pod}:15000/quitquitquit")).text == "RBAC: access denied"
        assert (await client.get(f"http://{place.pod}:8080/")).json() == "v1"
        assert (await client.get("http://reviews/")).json() == "v1"
        [warning] = (await mesh.transactions.apply(resources.parse(_entry(place.app), "a.yaml"))).warnings
        assert (
            f"a.yaml:9: warning: ServiceEntry default/inside: spec.endpoints[0].address: {place.app}"
            in warning
        )
        assert (await client.get("http://inside.example.com/")).status_code == 503


async def test_a_tunnel_to_the_inside_of_a_pod_is_refused(tmp_path: Path, manifests: Manifests) -> None:
    async with (
        running(tmp_path, manifests.pair()) as mesh,
        httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30, verify=False) as client,  # noqa: S501
    ):
        place = _pod(mesh, "reviews").place.addresses
        for address in (f"{place.pod}:15000", f"{place.pod}:15001", f"{place.app}:8080"):
            with pytest.raises(httpx.ProxyError, match="403"):  # https makes the client say CONNECT
                await client.get(f"https://{address}/")
