"""What other services ask: by the service token, for no user."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from services.kit.errors import BadRequest, NotFound, Unauthenticated
from services.kit.settings import Secret
from services.users.client import UsersClient
from tests.integration.users.conftest import PASSWORD, SERVICE_TOKEN, bearer

pytestmark = pytest.mark.anyio


@pytest.fixture
def peer(users: UsersClient) -> UsersClient:
    """A service of this installation."""
    return replace(users, base_url="http://users", service_token=SERVICE_TOKEN)


async def test_people_are_known_by_id_and_by_name(users: UsersClient, peer: UsersClient) -> None:
    ada = await users.sign_up("ada", Secret(PASSWORD), "ada@private.example")
    eve = await users.sign_up("eve", Secret(PASSWORD))
    known = await peer.users_by_ids([eve.id, 2**63 - 1, ada.id, ada.id])
    assert [(user.user_id, user.username, user.created_at) for user in known] == [
        (ada.id, "ada", ada.created_at),
        (eve.id, "eve", eve.created_at),
    ]
    assert await peer.user_by_name("ADA") == known[0]


@pytest.mark.parametrize("name", ["nobody-here", "a%2Fb", "../users", "é" * 40])
async def test_nobody_is_not_found(peer: UsersClient, name: str) -> None:
    with pytest.raises(NotFound):
        await peer.user_by_name(name)


@pytest.mark.parametrize("ids", [[], [0], [-1], [2**63], list(range(1, 102))])
async def test_ids_are_bounded(peer: UsersClient, ids: list[int]) -> None:
    with pytest.raises(BadRequest):
        await peer.users_by_ids(ids)


async def test_only_services_may_ask(http: httpx.AsyncClient, users: UsersClient, peer: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    access = (await users.sign_in("ada", Secret(PASSWORD))).access_token
    for headers in ({}, bearer(access), {"x-service-token": "guess"}):
        for path in ("?id=1", "/by-name/ada"):
            answer = await http.get(f"http://users/internal/v1/users{path}", headers=headers)
            assert answer.status_code == 401
    with pytest.raises(Unauthenticated):
        await replace(peer, service_token=Secret("")).user_by_name("ada")


async def test_they_are_in_no_public_description(http: httpx.AsyncClient) -> None:
    assert "/internal/" not in (await http.get("http://users/openapi.json")).text
