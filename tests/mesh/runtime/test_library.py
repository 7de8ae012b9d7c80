"""A mesh run by another program: processes beside the Pods, certificates, fetched keys."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from joserfc.jwk import ECKey

from mesh.local import files
from mesh.local.runtime import sources, sweep
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.deliver import Delivery
from mesh.local.runtime.delivered import Delivered
from mesh.local.runtime.errors import DeliveryFailed, MeshError, NotReady
from mesh.local.runtime.jwks import KeySets
from mesh.local.runtime.mesh import Mesh, Options
from mesh.local.runtime.sources import Files
from tests.mesh.runtime.manifests import ECHO, Manifests

pytestmark = pytest.mark.anyio
PATIENCE_S = 60.0


@asynccontextmanager
async def running(
    folder: Path, text: str, *, processes: Sequence[ProcessSpec] = (), options: Options | None = None
) -> AsyncIterator[Mesh]:
    """A mesh in this process, up."""
    file = folder / "mesh.yaml"
    file.write_text(text)
    lines: list[str] = []
    mesh = Mesh(folder / "state", Files([file]), processes=processes, report=lines.append, options=options)
    task = asyncio.create_task(mesh.run())
    up = asyncio.create_task(mesh.up.wait())
    try:
        await asyncio.wait([task, up], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert mesh.up.is_set() or task.done(), "\n".join(lines)
        if not task.done():
            yield mesh
    finally:
        up.cancel()
        mesh.stop()
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.02)


def egress(mesh: Mesh, workload: str) -> str:
    pod = next(pod for pod in mesh.controller.pods.values() if pod.manifest.workload == workload)
    assert pod.sidecar is not None
    host, port = pod.sidecar.proxy.egress
    return f"http://{host}:{port}"


async def test_a_mesh_whose_folder_is_deleted_ends(tmp_path: Path, manifests: Manifests) -> None:
    async with running(tmp_path, manifests.pair()) as mesh:
        running_now = [container.pid for pod in mesh.controller.pods.values() for container in pod.containers]
        pids = [pid for pid in running_now if pid is not None]
        assert len(pids) >= 2
        shutil.rmtree(mesh.state.folder)
        await until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


async def test_a_mesh_that_cannot_watch_its_files_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise MeshError("out of watches")

    monkeypatch.setattr(sources, "Watch", refuse)
    with pytest.raises(MeshError, match="out of watches"):
        async with running(tmp_path, "# nothing"):
            pass


async def test_certificates_are_renewed_in_place_without_a_failed_request(
    tmp_path: Path, manifests: Manifests
) -> None:
    options = Options(leaf_lifetime=timedelta(seconds=6))
    async with running(tmp_path, manifests.pair() + manifests.strict(), options=options) as mesh:
        certificate = next((tmp_path / "state/pods/default").glob("reviews-*/proxy/certs/default.json"))
        seen = {certificate.read_bytes()}
        failed = 0
        async with httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30) as client:
            while len(seen) < 4:  # longer than any certificate of the start lives
                answer = await client.get("http://reviews/", headers={"connection": "close"})
                failed += answer.status_code != 200
                seen.add(certificate.read_bytes())
        assert failed == 0


async def test_a_mistake_of_the_mesh_itself_changes_nothing_and_ends_nothing(
    tmp_path: Path, manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def config_map(name: str) -> str:
        return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"

    def has(mesh: Mesh, name: str) -> bool:
        return mesh.desired.config.get("ConfigMap", "default", name) is not None

    text = manifests.pair()
    async with running(tmp_path, text) as mesh:
        everywhere, rounds = mesh.desired.everywhere, mesh.desired._round
        again: list[bool] = []

        async def poisoned() -> Delivered:
            if has(mesh, "poison"):
                raise RuntimeError("a mistake")
            return await everywhere()

        async def once() -> Delivered:
            again.append(True)
            if len(again) == 1:
                raise RuntimeError("another mistake")
            return await rounds()

        monkeypatch.setattr(mesh.desired, "everywhere", poisoned)
        (tmp_path / "mesh.yaml").write_text(text + config_map("poison"))
        await until(lambda: "internal error: RuntimeError('a mistake')" in mesh.refused)
        assert not has(mesh, "poison")
        (tmp_path / "mesh.yaml").write_text(text + config_map("good"))
        await until(lambda: has(mesh, "good") and not mesh.refused)
        monkeypatch.setattr(mesh.desired, "_round", once)
        mesh.desired.dirty.set()
        await until(lambda: len(again) > 1)


def _companion(**changes: object) -> ProcessSpec:
    def command(room: Room) -> list[str]:
        return [sys.executable, ECHO]

    async def ready(room: Room) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://{room.address}:7000/")).status_code == 200
            except httpx.ConnectError:
                return False

    def resources(room: Room) -> str:
        return (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: place}\n"
            f"stringData: {{URL: 'http://{room.address}:7000/'}}\n"
        )

    options: dict[str, object] = {"command": command, "ready": ready, "resources": resources, **changes}
    return ProcessSpec(name="store", **options)  # type: ignore[arg-type]


async def test_a_process_beside_the_pods_serves_before_them_and_comes_back(
    tmp_path: Path, manifests: Manifests
) -> None:
    text = manifests.deployment(
        "reviews", container={"envFrom": [{"secretRef": {"name": "place"}}]}
    ) + manifests.service("reviews")

    def command(room: Room) -> list[str]:
        return ["env", f"HOST={room.address}", "PORT=7000", sys.executable, ECHO]

    async with running(tmp_path, text, processes=[_companion(command=command)]) as mesh:
        [companion] = mesh.companions
        assert companion.container is not None
        async with httpx.AsyncClient(proxy=egress(mesh, "reviews"), timeout=30) as client:
            url = (await client.get("http://reviews/env")).json()["URL"]
            assert (await client.get(url)).status_code == 200
        companion.container.kill()
        await until(lambda: companion.container is not None and companion.container.restarts == 1)
        await until(lambda: companion.container is not None and companion.container.ready)


async def test_the_last_process_starts_behind_the_pods_and_its_failure_ends_nothing(
    tmp_path: Path, manifests: Manifests
) -> None:
    room: list[Room] = []
    asked_at: list[float] = []

    def command(_: Room) -> list[str]:
        asked_at.append(time.time())
        return ["sh", "-c", "exit 3"]

    last = _companion(command=command, prepare=room.append, last=True, ready_within_s=0.5)
    async with running(tmp_path, manifests.pair(), processes=[last]) as mesh:
        [companion] = mesh.companions
        assert room == [companion.room]
        pods = list(mesh.controller.pods.values())
        await until(lambda: companion.container is not None and companion.container.restarts > 0)
        assert all(pod.ready for pod in pods)
        assert asked_at[0] > max(pod.started_at for pod in pods)
        async with httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30) as client:
            assert (await client.get("http://reviews/")).status_code == 200


async def test_a_process_that_never_serves_ends_the_start_with_its_log(
    tmp_path: Path, manifests: Manifests
) -> None:
    def command(room: Room) -> list[str]:
        return ["sh", "-c", "echo no disk; sleep 60"]

    with pytest.raises(NotReady, match="no disk"):
        async with running(
            tmp_path, manifests.pair(), processes=[_companion(command=command, ready_within_s=3.0)]
        ):
            pass


async def test_a_start_that_is_not_finished_can_be_stopped(tmp_path: Path, manifests: Manifests) -> None:
    (tmp_path / "mesh.yaml").write_text(manifests.pair())
    lines: list[str] = []
    companion = _companion(command=lambda room: ["sleep", "60"])
    mesh = Mesh(
        tmp_path / "state", Files([tmp_path / "mesh.yaml"]), processes=[companion], report=lines.append
    )
    task = asyncio.create_task(mesh.run())
    await until(lambda: bool(mesh.companions and mesh.companions[0].container))
    mesh.stop()
    async with asyncio.timeout(PATIENCE_S):
        await task
    assert not sweep.belonging(tmp_path / "state")


async def test_keys_come_from_a_pod_of_the_mesh_and_fail_closed_before(
    tmp_path: Path, manifests: Manifests
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    public = ECKey.generate_key("P-256").as_dict(private=False)
    serve = "cd {folder} && exec python -m http.server --bind $HOST $PORT"
    container = {"command": ["sh", "-c", serve.format(folder=keys)]}
    jwks_uri = "http://reviews.default.svc.cluster.local/jwks.json"
    text = manifests.pair(container=container) + manifests.authentication(jwks_uri)
    async with running(tmp_path, text) as mesh:
        sets: KeySets = mesh.desired.keys
        assert sets.texts == {}
        (keys / "jwks.json").write_text(json.dumps({"keys": [public]}))
        await until(lambda: jwks_uri in sets.texts)
        await until(lambda: str(public["x"]) in _listeners(tmp_path))


async def test_what_envoy_refuses_is_told_and_taken_back(tmp_path: Path, manifests: Manifests) -> None:
    async with running(tmp_path, manifests.pair()) as mesh:
        pod = next(pod for pod in mesh.controller.pods.values() if pod.manifest.workload == "client")
        assert pod.sidecar is not None
        delivery = pod.sidecar.delivery
        assert isinstance(delivery, Delivery)
        before = delivery.in_force
        [name] = before.snapshot.routes
        match = {"safe_regex": {"regex": "(("}}
        host = {"name": "x", "domains": ["*"], "routes": [{"match": match, "route": {"cluster": "c"}}]}
        broken = replace(before.snapshot, routes={name: {"name": name, "virtual_hosts": [host]}})
        with pytest.raises(DeliveryFailed, match=r"refused.*missing \)"):
            await delivery.deliver(broken)
        assert delivery.in_force.snapshot.routes == before.snapshot.routes
        file = files.routes(name)
        assert (pod.sidecar.proxy.folder / file).read_bytes() == before.contents[file]
        async with httpx.AsyncClient(proxy=egress(mesh, "client"), timeout=30) as client:
            assert (await client.get("http://reviews/")).status_code == 200


def _listeners(folder: Path) -> str:
    return next((folder / "state/pods/default").glob("reviews-*/proxy/lds.json")).read_text()
