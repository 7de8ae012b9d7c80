"""Pods that nobody waits for: without their program, with it, and where a scraper finds everybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesh.local.runtime import controller, rolling
from mesh.local.runtime.mesh import Mesh, Options
from mesh.local.runtime.pod import Pod
from tests.mesh.runtime.manifests import ECHO, Manifests
from tests.mesh.runtime.test_library import running, until

pytestmark = pytest.mark.anyio
OPTIONAL = {"delinkcious.io/optional": "true", "sidecar.istio.io/inject": "false"}


def pod_of(mesh: Mesh, workload: str) -> Pod:
    return next(pod for pod in mesh.controller.pods.values() if pod.manifest.workload == workload)


def targets(mesh: Mesh) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((mesh.state.discovery / "pods.json").read_text())
    return found


def addresses(mesh: Mesh, **labels: str) -> list[str]:
    """The targets with these labels, written without their front part."""
    wanted = {f"__meta_kubernetes_{name}": value for name, value in labels.items()}
    return [group["targets"][0] for group in targets(mesh) if wanted.items() <= group["labels"].items()]


async def test_a_mesh_is_up_without_a_program_and_starts_it_when_it_comes(
    tmp_path: Path, manifests: Manifests
) -> None:
    program = tmp_path / "collector"

    def locate(name: str) -> str | None:
        assert name == "collector"
        return str(program) if program.exists() else None

    container = {"command": ["collector"]}
    text = manifests.deployment("collector", annotations=OPTIONAL, container=container)
    async with running(tmp_path, text, options=Options(locate=locate)) as mesh:
        pod = pod_of(mesh, "collector")
        await until(lambda: bool(pod.containers) and pod.containers[0].state == "Waiting")
        await until(lambda: pod.containers[0].reason == "waiting for its program: collector")
        assert mesh.up.is_set()
        assert mesh.waiting_for() == []
        assert "waiting for its program" in mesh.waiting_for(everything=True)[0]
        assert list(rolling.crashes(pod)) == []
        assert addresses(mesh, pod_controller_name="collector") == []

        partial = tmp_path / "partial"
        partial.write_text(f"#!/bin/sh\nexec python {ECHO}\n")
        partial.chmod(0o755)
        partial.rename(program)
        await until(lambda: pod.ready)
        assert pod.containers[0].restarts == 0
        assert addresses(mesh, pod_controller_name="collector") == [f"{pod.place.addresses.pod}:8080"]


async def test_what_is_optional_and_fails_holds_nobody_up(tmp_path: Path, manifests: Manifests) -> None:
    failing = ["sh", "-c", "exit 3"]
    optional = manifests.deployment("broken", annotations=OPTIONAL, container={"command": failing})
    async with running(tmp_path, optional + manifests.deployment("client")) as mesh:
        assert mesh.up.is_set()
        assert pod_of(mesh, "client").ready
        await until(lambda: pod_of(mesh, "broken").containers[0].restarts > 0)


async def test_what_is_optional_starts_behind_the_rest_but_does_not_wait_for_ever(
    tmp_path: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = manifests.deployment("helper", annotations=OPTIONAL) + manifests.deployment("client")
    async with running(tmp_path, text) as mesh:
        await until(lambda: pod_of(mesh, "helper").ready)
        assert pod_of(mesh, "helper").started_at > pod_of(mesh, "client").started_at

        monkeypatch.setattr(controller, "PATIENCE_S", 0.5)
        broken = manifests.deployment("client", container={"command": ["sh", "-c", "exit 3"]})
        (tmp_path / "mesh.yaml").write_text(manifests.deployment("other", annotations=OPTIONAL) + broken)
        await until(lambda: any(pod.manifest.workload == "other" for pod in mesh.controller.pods.values()))
        assert "deployment/client" in mesh.waiting_for()[0]


async def test_targets_come_and_go_with_the_pods(tmp_path: Path, manifests: Manifests) -> None:
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    text = manifests.deployment("reviews", annotations=notes) + manifests.service("reviews")
    async with running(tmp_path, text) as mesh:
        pod = pod_of(mesh, "reviews")
        assert pod.sidecar is not None
        await until(lambda: len(targets(mesh)) == 2)
        scraped = {"pod_annotation_prometheus_io_scrape": "true", "pod_label_app": "reviews"}
        process = addresses(mesh, pod_container_port_name="http", namespace="default", **scraped)
        assert process == [f"{pod.place.addresses.app}:8080"]
        [sidecar] = addresses(mesh, pod_container_port_name="http-envoy-prom", **scraped)
        async with httpx.AsyncClient(trust_env=False) as client:
            stats = await client.get(f"http://{sidecar}/stats/prometheus", params={"usedonly": ""})
        assert "envoy_server_live" in stats.text

        mesh.overrides.scale(mesh.desired.config, ("Deployment", "default", "reviews"), 0)
        mesh.controller.want(mesh.desired.config, mesh.overrides.entries)
        await until(lambda: targets(mesh) == [])


async def test_a_pod_reads_the_targets_in_a_volume(tmp_path: Path, manifests: Manifests) -> None:
    seen = tmp_path / "seen"
    container = {
        "command": ["sh", "-c", f"cp /discovery/pods.json {seen} && exec python {ECHO}"],
        "volumeMounts": [{"name": "discovery", "mountPath": "/discovery"}],
    }
    volumes = [{"name": "discovery", "csi": {"driver": "discovery.delinkcious.io"}}]
    text = manifests.deployment("reader", container=container, spec={"volumes": volumes})
    async with running(tmp_path, text):
        assert isinstance(json.loads(seen.read_text()), list)
