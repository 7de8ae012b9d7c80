"""The local mesh as the platform of a rollout."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mesh.canary.local import LocalPlatform
from mesh.canary.platform import Away, Conflict, Json, PlatformError, Pod, Stored
from mesh.local.runtime.state import State
from tests.mesh.runtime.conftest import PATIENCE_S, Running, until
from tests.mesh.runtime.manifests import Manifests

pytestmark = pytest.mark.anyio
NewMesh = Callable[[str], Running]
T = TypeVar("T")
V1, V2 = ({"app": "reviews", "version": version} for version in ("v1", "v2"))


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """The first true thing that it finds."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await look()):  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.02)
        return found


async def ready(platform: LocalPlatform, labels: dict[str, str], count: int) -> list[Pod]:
    """Its pods, once so many are there and all are ready."""

    async def look() -> list[Pod] | None:
        pods = await platform.pods(labels)
        return pods if len(pods) == count and all(pod.ready for pod in pods) else None

    return await eventually(look) if count else []


async def one(platform: LocalPlatform, name: str) -> Stored | None:
    """The Deployment of that name."""
    found = [each for each in await platform.deployments({}) if each.body["metadata"]["name"] == name]
    return found[0] if found else None


def weighted(body: Json, first: int) -> Json:
    made: Json = copy.deepcopy(body)
    for to, weight in zip(made["spec"]["http"][0]["route"], (first, 100 - first), strict=True):
        to["weight"] = weight
    return made


@pytest.fixture
def mesh(new_mesh: NewMesh, manifests: Manifests) -> Running:
    pair = manifests.deployment("client") + manifests.service("reviews")
    return new_mesh(pair + manifests.deployment("reviews-v1", app="reviews") + manifests.split(100))


@pytest.fixture
def platform(mesh: Running) -> LocalPlatform:
    return LocalPlatform(mesh.state, "default")


async def test_a_split_is_written_while_it_is_what_was_read(platform: LocalPlatform, mesh: Running) -> None:
    read = await platform.virtual_service("reviews")
    assert "resourceVersion" not in read.body["metadata"]
    written = await platform.write_virtual_service(weighted(read.body, 40), read.version)
    assert written == await platform.virtual_service("reviews")
    assert written.body == weighted(read.body, 40)
    with pytest.raises(Conflict, match="has been modified"):
        await platform.write_virtual_service(weighted(read.body, 50), read.version)
    with pytest.raises(PlatformError, match=r'virtualservice "nothing" not found'):
        await platform.virtual_service("nothing")
    refused = weighted(written.body, 40)
    refused["spec"]["http"][0]["route"][0]["wieght"] = 1
    with pytest.raises(PlatformError, match="wieght") as wrong:
        await platform.write_virtual_service(refused, written.version)
    assert not isinstance(wrong.value, Away | Conflict)


async def test_while_the_watched_files_are_wrong_another_try_may_help(
    platform: LocalPlatform, mesh: Running
) -> None:
    read = await platform.virtual_service("reviews")
    wrong = mesh.files / "wrong.yaml"
    wrong.write_text("kind: [\n")
    with pytest.raises(Away, match="until its files are mended"):
        await platform.write_virtual_service(weighted(read.body, 40), read.version)
    wrong.unlink()
    written = await platform.write_virtual_service(weighted(read.body, 40), read.version)
    assert written.version != read.version


async def test_a_second_track_is_a_copy_that_is_scaled(
    platform: LocalPlatform, mesh: Running, manifests: Manifests, tmp_path: Path
) -> None:
    stable = await one(platform, "reviews-v1")
    assert stable is not None
    assert await one(platform, "reviews-v2") is None
    copied = _second(stable.body)
    # Each of its pods comes up once this file is there.
    go = tmp_path / "go"
    waiting = f"until [ -e {go} ]; do sleep 0.05; done; exec python {manifests.echo}"
    copied["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", waiting]
    go.touch()
    await platform.apply_deployment(copied)
    [first] = await ready(platform, V2, 1)
    assert first.ready_at is not None and abs(time.time() - first.ready_at) < PATIENCE_S
    assert (first.restarts, first.trouble) == (0, "")

    go.unlink()
    await platform.scale("reviews-v2", 2)
    starting = [pod for pod in await platform.pods(V2) if not pod.ready]
    assert [pod.ready_at for pod in starting] == [None]
    go.touch()
    assert {pod.name for pod in await ready(platform, V2, 2)} >= {first.name}
    scaled = await one(platform, "reviews-v2")
    assert scaled is not None and scaled.body["spec"]["replicas"] == 2

    read = await platform.virtual_service("reviews")
    await platform.write_virtual_service(weighted(read.body, 0), read.version)
    assert mesh.get("http://reviews/").json() == "v2"

    await platform.scale("reviews-v2", 0)
    assert len(await platform.pods({"app": "reviews"})) == 1, "those that end do not count"
    assert len(await platform.pods(V1)) == 1


def _second(body: Json) -> Json:
    made: Json = copy.deepcopy(body)
    made["metadata"]["name"] = "reviews-v2"
    template = made["spec"]["template"]
    for labels in (made["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]):
        labels["version"] = "v2"
    [container] = template["spec"]["containers"]
    container["env"] = [{"name": "VERSION", "value": "v2"}]
    return made


async def test_a_pod_is_replaced_by_another_without_a_lost_request(
    platform: LocalPlatform, mesh: Running
) -> None:
    [before] = await platform.pods(V1)
    statuses: set[int] = set()

    async def other() -> Pod | None:
        statuses.add((await asyncio.to_thread(mesh.get, "http://reviews/")).status_code)
        pods = await platform.pods(V1)
        return pods[0] if len(pods) == 1 and pods[0].ready and pods[0].name != before.name else None

    await platform.replace_pod(before.name)
    after = await eventually(other)
    assert after.name != before.name
    assert after.ready_at is not None and before.ready_at is not None
    assert after.ready_at > before.ready_at
    assert statuses == {200}
    with pytest.raises(PlatformError, match='pod "nobody" not found in namespace default'):
        await platform.replace_pod("nobody")


async def test_a_pod_that_does_not_come_says_why(platform: LocalPlatform) -> None:
    stable = await one(platform, "reviews-v1")
    assert stable is not None
    broken = _second(stable.body)
    broken["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 7"]
    await platform.apply_deployment(broken)

    async def told() -> list[Pod]:
        return [pod for pod in await platform.pods(V2) if "exit code 7" in pod.trouble]

    [pod] = await eventually(told)
    assert (pod.ready, pod.ready_at) == (False, None)
    broken["spec"]["replicas"] = 0
    await platform.apply_deployment(broken)


async def test_a_mesh_that_is_down_is_away(platform: LocalPlatform, mesh: Running) -> None:
    mesh.stop()
    for ask in (platform.virtual_service("reviews"), platform.pods({}), platform.scale("reviews-v1", 2)):
        with pytest.raises(Away, match="does not answer"):
            await ask


async def test_a_mesh_that_starts_is_away(mesh: Running, manifests: Manifests) -> None:
    mesh.stop()
    late = manifests.deployment("late", container={"command": ["sleep", "600"]})
    (mesh.files / "late.yaml").write_text(late)
    mesh.begin()
    until(mesh.starting)
    with pytest.raises(Away, match="still starting"):
        await LocalPlatform(State(mesh.state.folder), "default").virtual_service("reviews")
