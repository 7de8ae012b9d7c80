"""News through real sidecars: from a save at the edge to gRPC at the reader's, and who may call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from functools import partial

import pytest
from grpc_health.v1 import health_pb2

from services.kit.errors import Forbidden, Problem, Unauthenticated
from services.kit.grpc.channel import open_channel
from services.kit.grpc.method import Name
from services.news.client import AUTHORITY, NewsClient, NewsItem, open_news
from tests.e2e.installation import Account, Installation, Json, eventually

pytestmark = pytest.mark.anyio

HEALTH: Name[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = Name(
    "grpc.health.v1.Health", "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
)
WITHIN_S = 60.0
AGAIN_S = 0.5
# A pod with the identity of the pages, and one with that of another service of ours.
CALLER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: SERVICE-caller, namespace: delinkcious}
spec:
  selector: {matchLabels: {app: SERVICE-caller}}
  template:
    metadata: {labels: {app: SERVICE-caller}}
    spec:
      serviceAccountName: SERVICE
      containers:
        - name: caller
          image: none
          command: [sleep, infinity]
"""


@pytest.fixture(scope="module")
def callers(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Json]]:
    """Pods that run nothing, by the service account they have: their egress is for the test."""
    file = tmp_path_factory.mktemp("callers") / "callers.yaml"
    names = ("web", "links")
    file.write_text("---".join(CALLER.replace("SERVICE", name) for name in names))
    installation.told("mesh", "apply", "-f", str(file))
    yield {
        name: eventually(partial(installation.ready, f"{name}-caller"), WITHIN_S, f"{name}-caller is ready")
        for name in names
    }
    installation.told("mesh", "delete", "-f", str(file))


@pytest.fixture
async def client(callers: dict[str, Json]) -> AsyncIterator[NewsClient]:
    """The news service as the pages call it: through their sidecar."""
    async with open_news(proxy=f"http://{callers['web']['egress']}") as made:
        yield made


@pytest.fixture
def author(installation: Installation) -> Account:
    return installation.account()


@pytest.fixture
def reader(installation: Installation, author: Account) -> Account:
    """Somebody who follows the author."""
    account = installation.account()
    with installation.edge() as edge:

        def followed() -> bool:
            answer = edge.put(f"/api/v1/following/{author.name}", headers=account.headers)
            return answer.is_success

        eventually(followed, WITHIN_S, "the author can be followed")
    return account


def save(installation: Installation, author: Account, path: str, *, private: bool = False) -> int:
    with installation.edge() as edge:
        body = {"url": f"https://example.com/{path}", "title": path, "private": private}
        answer = edge.post("/api/v1/links", json=body, headers=author.headers)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["id"]
        return number


async def shown(client: NewsClient, reader: Account) -> list[int]:
    try:
        return [item.id for item in (await client.page(reader.token)).items]
    except Problem:
        return []


async def shows(client: NewsClient, reader: Account, *expected: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await shown(client, reader) != list(expected):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_what_is_saved_is_read_and_pushed_through_the_sidecars(
    installation: Installation, client: NewsClient, author: Account, reader: Account
) -> None:
    first = await asyncio.to_thread(save, installation, author, "first")
    await shows(client, reader, first)
    came: asyncio.Queue[NewsItem] = asyncio.Queue()

    async def watch() -> None:
        async with aclosing(client.watch(reader.token)) as items:
            async for item in items:
                await came.put(item)

    watching = asyncio.create_task(watch())
    await asyncio.to_thread(save, installation, author, "hidden", private=True)
    later: list[int] = []
    async with asyncio.timeout(WITHIN_S):
        item = None
        # The stream may begin after the first of them is saved: one more, when none has come.
        while item is None:
            later.insert(0, await asyncio.to_thread(save, installation, author, f"later-{len(later)}"))
            with suppress(TimeoutError):
                item = await asyncio.wait_for(came.get(), AGAIN_S)
    watching.cancel()

    assert item.id in later
    assert item.owner_id == author.id
    await shows(client, reader, *later, first)


async def test_only_the_pages_may_call_and_only_the_two_methods(
    callers: dict[str, Json], client: NewsClient, reader: Account
) -> None:
    async with open_news(proxy=f"http://{callers['links']['egress']}") as stranger:
        with pytest.raises(Forbidden, match="RBAC"):
            await stranger.page(reader.token)
        with pytest.raises(Forbidden, match="RBAC"):
            await anext(stranger.watch(reader.token))
    async with open_channel(AUTHORITY, f"http://{callers['web']['egress']}") as channel:
        with pytest.raises(Forbidden, match="RBAC"):
            await channel.call(HEALTH, health_pb2.HealthCheckRequest())


async def test_a_token_must_be_there_and_valid(client: NewsClient, reader: Account) -> None:
    with pytest.raises(Unauthenticated):
        await client.page(reader.token[:-8] + "AAAAAAAA")
    with pytest.raises(Unauthenticated):
        await client.page("")


async def test_plain_text_at_the_pod_is_cut_off(installation: Installation, reader: Account) -> None:
    address = installation.pod("news-v1")["ports"]["50051"]
    async with open_news(authority=address) as outsider:
        with pytest.raises(Problem) as caught:
            await outsider.page(reader.token)
    assert caught.value.status == 503


async def test_people_can_have_timelines_built_anew(
    installation: Installation, client: NewsClient, author: Account, reader: Account
) -> None:
    saved = await asyncio.to_thread(save, installation, author, "kept")
    await shows(client, reader, saved)

    told = await asyncio.to_thread(installation.told, "news", "rebuild")

    assert "built anew" in told
    await shows(client, reader, saved)
