"""The typed client against the real service: what other programs build on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette

from services.kit.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unprocessable
from services.kit.http import HttpClient
from services.kit.settings import Secret
from services.social_graph.client import (
    InternalQuery,
    ListQuery,
    SocialGraphClient,
    SocialGraphInternalClient,
)
from tests.access_tokens import TokenMint
from tests.integration.social_graph.conftest import SERVICE_TOKEN, Query, crowd, follow

pytestmark = pytest.mark.anyio

AsSomebody = Callable[[int, str], SocialGraphClient]


@pytest.fixture
def http(app: Starlette) -> HttpClient:
    return HttpClient(httpx.AsyncClient(transport=httpx.ASGITransport(app)))


@pytest.fixture
def as_somebody(http: HttpClient, token_mint: TokenMint) -> AsSomebody:
    def client(user_id: int, name: str) -> SocialGraphClient:
        async def token() -> str:
            return token_mint.token(user_id, name=name)

        return SocialGraphClient(http, token)

    return client


@pytest.fixture
def internal(http: HttpClient) -> SocialGraphInternalClient:
    return SocialGraphInternalClient(http, Secret(SERVICE_TOKEN))


async def test_people_follow_look_and_block(as_somebody: AsSomebody) -> None:
    ann, bob = as_somebody(1, "ann"), as_somebody(2, "bob")
    assert (await bob.person("bob")).followers == 0
    await ann.follow("bob")
    assert [one.username for one in (await ann.following(ListQuery())).items] == ["bob"]
    assert [one.username for one in (await bob.followers(ListQuery(limit=1))).items] == ["ann"]
    seen = await bob.person("ann")
    assert (seen.follows_you, seen.you_follow, seen.following) == (True, False, 1)
    await bob.block("ann")
    assert [one.username for one in (await bob.blocks(ListQuery())).items] == ["ann"]
    with pytest.raises(Forbidden):
        await ann.follow("bob")
    await bob.unblock("ann")
    await ann.follow("bob")
    await ann.unfollow("bob")
    assert (await ann.person("bob")).followers == 0


@pytest.mark.parametrize("setting", [{"max_following": 1}])
async def test_refusals_are_the_kits_problems(as_somebody: AsSomebody) -> None:
    ann = as_somebody(1, "ann")
    for client, name in ((as_somebody(2, "bob"), "bob"), (as_somebody(3, "eve"), "eve")):
        await client.person(name)
    refusals: list[tuple[Awaitable[None], type[Exception]]] = [
        (ann.follow("ann"), Unprocessable),
        (ann.follow("nobody"), NotFound),
        (ann.follow("a/../b?c"), NotFound),
    ]
    for call, problem in refusals:
        with pytest.raises(problem):
            await call
    await ann.follow("bob")
    with pytest.raises(Conflict) as refused:
        await ann.follow("eve")
    assert refused.value.members == {"limit": 1}


async def test_suggestions_and_the_lists_of_services(
    as_somebody: AsSomebody, internal: SocialGraphInternalClient, query: Query, http: HttpClient
) -> None:
    ann, friend, stranger = await crowd(query, 3)
    await follow(query, [(ann, friend), (friend, stranger), (stranger, friend)])
    [suggested] = await as_somebody(ann, f"fan-{ann}").suggestions()
    assert (suggested.user_id, suggested.followed_by) == (stranger, 1)
    first = await internal.followers(friend, InternalQuery(limit=1))
    second = await internal.followers(friend, InternalQuery(cursor=first.next))
    assert (first.items, second.items, second.next) == ([ann], [stranger], None)
    assert (await internal.following(friend, InternalQuery())).items == [stranger]
    edges = [(edge.follower_id, edge.followee_id) async for edge in internal.every_edge(page_size=2)]
    assert edges == [(ann, friend), (friend, stranger), (stranger, friend)]
    with pytest.raises(Unauthenticated):
        await SocialGraphInternalClient(http, Secret("guessed")).edges(InternalQuery())
