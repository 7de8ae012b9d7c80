"""The console of a real mesh before a real Chromium; stand-ins for Jaeger and Prometheus run in that mesh."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
import yaml
from playwright.async_api import BrowserContext

from mesh.console.app import create
from mesh.console.settings import Settings
from tests.browser import conftest as browser
from tests.browser.conftest import Screen
from tests.browser.console import stand
from tests.mesh.runtime.conftest import Running, until
from tests.mesh.runtime.manifests import Manifests

# Six pods, beside a Chromium that starts.
STARTED_WITHIN_S = 90.0


def tool(name: str, port: int) -> str:
    """A Deployment of the stand-in, without a sidecar as the real ones are."""
    container = {
        "name": name,
        "image": "none",
        "command": ["python", str(Path(stand.__file__))],
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1},
    }
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [container]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": "observability"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    return "---\n" + yaml.safe_dump(body)


ALLOWED = """---
apiVersion: v1
kind: ServiceAccount
metadata: { name: caller }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers }
spec:
  selector: { matchLabels: { app: reviews } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/caller] } }]
"""
COUNTED = """---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: mesh-default, namespace: istio-system }
spec: { metrics: [{ providers: [{ name: prometheus }] }] }
"""


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    manifests = Manifests()
    caller = {"serviceAccountName": "caller"}
    made = Running(tmp_path_factory.mktemp("console"))
    (made.files / "mesh.yaml").write_text(
        manifests.deployment("client", spec=caller)
        + manifests.service("reviews")
        + manifests.deployment("reviews-v1", app="reviews", version="v1", replicas=2)
        + manifests.deployment("reviews-v2", app="reviews", version="v2")
        + ALLOWED
        + COUNTED
        + tool("jaeger", 16686)
        + tool("prometheus", 9090)
    )
    (made.files / "split.yaml").write_text(manifests.split(70))
    try:
        made.start(STARTED_WITHIN_S)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def console(mesh: Running) -> Iterator[str]:
    """The address of the console of that mesh."""
    with served(Settings(state=mesh.state.folder, host="127.0.0.1", checkout=mesh.files)) as url:
        yield url


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of a console that runs in a thread of its own, as a process would."""
    config = uvicorn.Config(create(settings), port=0, log_level="warning", ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
async def screen(context: BrowserContext, console: str, size: str, artefacts: Path) -> Screen:
    page = await context.new_page()
    problems: list[str] = []
    browser.listen(page, problems)
    return Screen(page, console, size, artefacts, problems)
