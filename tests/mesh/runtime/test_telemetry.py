"""Telemetry of a running mesh: an edit switches logs and metrics on and off, and no request is lost."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_changes import Load

NewMesh = Callable[[str], Running]

METRICS = """---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "defaultProviders: { metrics: [prometheus] }" }
"""
QUIET = """---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: quiet }
spec:
  accessLogging: [{ providers: [{ name: envoy }], disabled: true }]
  metrics: [{ overrides: [{ match: { metric: ALL_METRICS }, disabled: true }] }]
"""


def _log(mesh: Running) -> str:
    pod = mesh.pod("client")
    return next(mesh.state.folder.rglob(f"{pod['name']}/logs/istio-proxy.log")).read_text()


def _counted(mesh: Running) -> float:
    admin = mesh.pod("client")["admin"]
    text = httpx.get(f"http://{admin}/stats/prometheus", params={"filter": "^istio.requests_total"}).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("envoy_istio"))


def test_an_edit_ends_logs_and_metrics_and_begins_them_again(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair() + METRICS)
    with Load(lambda: mesh.from_pod("client"), "http://reviews/") as load:
        until(lambda: _counted(mesh) > 0)
        until(lambda: "GET / HTTP/1.1" in _log(mesh))
        mesh.apply(QUIET)
        quiet = mesh.get("http://reviews/env").json()["HOSTNAME"]
        written, seen = len(_log(mesh)), load.answers.total()
        until(lambda: load.answers.total() > seen + 50)
        lines = [line for line in _log(mesh)[written:].splitlines() if "GET /env" in line]
        assert (lines, _counted(mesh)) == ([], 0), f"{quiet} was asked in silence"
        mesh.delete(QUIET)
        until(lambda: _counted(mesh) > 0)
        written = len(_log(mesh))
        until(lambda: len(_log(mesh)) > written)
    assert load.failed == {}


def test_what_a_proxy_tells_is_explained(new_mesh: NewMesh, manifests: Manifests) -> None:
    mesh = new_mesh(manifests.pair() + METRICS + QUIET)
    code, output = mesh.command("explain", "deployment/client", "GET", "http://reviews/")
    assert code == 0
    told = output[output.index("told:") :]
    assert "metrics: no" in told
    assert "Telemetry default/quiet spec" in told
