"""What takes minutes: two hundred pods on one machine, and certificates that change every thirty seconds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from mesh.local.runtime.mesh import Options
from tests.bench.mesh import effect
from tests.mesh.runtime.conftest import Running
from tests.mesh.runtime.manifests import Manifests
from tests.mesh.runtime.test_library import egress, running

pytestmark = pytest.mark.slow
PODS = 200
UP_WITHIN_S = 600.0
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
RENEWED_EVERY_S, RENEWALS = 30.0, 3
# Every tenth request meets the newest certificate.
SHORT_CONNECTIONS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 10}}}
"""
IDLE = ["python", "-S", "-c", "import signal; signal.pause()"]


@pytest.fixture
def crowd(tmp_path: Path, manifests: Manifests) -> Iterator[Running]:
    """A mesh of two hundred pods, each with a sidecar; three of them are in use."""
    mesh = Running(tmp_path)
    idle = {"command": IDLE, "ports": [], "readinessProbe": None}
    text = manifests.versions() + manifests.split(100)
    text += manifests.deployment("idle", replicas=PODS - 3, container=idle)
    (mesh.files / "mesh.yaml").write_text(text)
    try:
        mesh.start(UP_WITHIN_S)
        yield mesh
    finally:
        mesh.close()


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    int(INSTANCES.read_text()) < 6 * PODS, reason="fs.inotify.max_user_instances is too low for 200 sidecars"
)
def test_two_hundred_pods_run_and_an_edit_reaches_every_one(crowd: Running, manifests: Manifests) -> None:
    pods = crowd.client.get("/get/pods")
    assert [pod["ready"] for pod in pods] == [True] * PODS
    assert crowd.get("http://reviews/").json() == "v1"
    crowd.apply(manifests.split(0))
    seen: Counter[str] = Counter()
    for pod in pods:
        with httpx.Client(proxy=f"http://{pod['egress']}", timeout=30) as client:
            seen[client.get("http://reviews/").json()] += 1
    assert seen == {"v2": PODS}


@pytest.mark.anyio
@pytest.mark.timeout(900)
async def test_certificates_that_change_every_thirty_seconds_lose_no_request(
    tmp_path: Path, manifests: Manifests
) -> None:
    options = Options(leaf_lifetime=timedelta(seconds=2 * RENEWED_EVERY_S))
    answers: Counter[int] = Counter()
    text = manifests.pair() + manifests.strict() + SHORT_CONNECTIONS
    async with running(tmp_path, text, options=options) as mesh:
        address = egress(mesh, "client").removeprefix("http://")
        certificate = next((tmp_path / "state/pods/default").glob("reviews-*/proxy/certs/default.json"))
        seen = {certificate.read_bytes()}
        load = [asyncio.create_task(effect.load(address, answers)) for _ in range(effect.CALLERS)]
        began = time.monotonic()
        try:
            async with asyncio.timeout(2 * RENEWALS * RENEWED_EVERY_S):
                while len(seen) <= RENEWALS:
                    seen.add(certificate.read_bytes())
                    await asyncio.sleep(0.1)
        finally:
            for task in load:
                task.cancel()
    assert answers.total() > effect.REQUESTS_PER_S * (time.monotonic() - began) / 4
    assert set(answers) == {200}
