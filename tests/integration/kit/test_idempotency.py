"""Idempotency-Key on a real database: once, whatever happens in between."""

import asyncio
import itertools

import asyncpg
import httpx
import pytest

from services.kit.serving.idempotency import CLEAN_UP_ROWS
from tests.access_tokens import TokenMint
from tests.integration.kit.conftest import NewSettings, started
from tests.integration.kit.sample.app import create

pytestmark = pytest.mark.anyio


@pytest.fixture
def ann(token_mint: TokenMint) -> dict[str, str]:
    return token_mint.headers(1) | {"idempotency-key": "k-1"}


async def texts(client: httpx.AsyncClient, token_mint: TokenMint, user_id: int = 1) -> list[str]:
    answer = await client.get("/notes", headers=token_mint.headers(user_id))
    return [note["text"] for note in answer.json()["items"]]


async def test_the_same_key_with_the_same_request_gets_the_same_answer(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    first = await sample.post("/notes", json={"text": "a"}, headers=ann)
    again = await sample.post("/notes", json={"text": "a"}, headers=ann)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await texts(sample, token_mint) == ["a"]


async def test_a_delete_is_answered_again_too(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    address = (await sample.post("/notes", json={"text": "a"}, headers=token_mint.headers())).headers[
        "location"
    ]
    statuses = [(await sample.delete(address, headers=ann)).status_code for _ in range(2)]
    assert statuses == [204, 204]


async def test_the_same_key_with_another_request_is_422(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    await sample.post("/notes", json={"text": "a"}, headers=ann)
    other = await sample.post("/notes", json={"text": "b"}, headers=ann)
    assert (other.status_code, other.json()["status"]) == (422, 422)
    assert (await sample.delete("/notes/1", headers=ann)).status_code == 422
    assert await texts(sample, token_mint) == ["a"]


async def test_keys_of_two_callers_are_two_keys(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    bob = token_mint.headers(2) | {"idempotency-key": "k-1"}
    for headers in (ann, bob):
        assert (await sample.post("/notes", json={"text": "a"}, headers=headers)).status_code == 201
    assert await texts(sample, token_mint, 2) == ["a"]


async def test_a_public_write_is_once_per_endpoint_and_key(sample: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "same"}
    counts = [
        (await sample.post("/clicks", json={"text": "x"}, headers=headers)).json()["count"] for _ in range(3)
    ]
    assert counts == [1, 1, 1]


async def test_duplicates_at_the_same_time_run_once_and_all_get_the_answer(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    requests = [sample.post("/notes", json={"text": "wait"}, headers=ann) for _ in range(5)]
    answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await texts(sample, token_mint) == ["wait"]


async def test_a_duplicate_of_one_that_takes_too_long_is_told_to_come_back(
    new_settings: NewSettings,
    ann: dict[str, str],
    token_mint: TokenMint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.kit.serving.idempotency.WAIT_MS", 20)
    settings = await new_settings()
    # In one process it would simply wait for its turn.
    async with started(create(settings)) as one, started(create(settings)) as other:
        requests = [client.post("/notes", json={"text": "wait"}, headers=ann) for client in (one, other)]
        answers = sorted(await asyncio.gather(*requests), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [201, 409]
        assert answers[1].headers["retry-after"] == "1"
        assert await texts(one, token_mint) == ["wait"]


async def test_a_refusal_is_an_answer_and_stays_one(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    plain = token_mint.headers()
    address = (await sample.post("/notes", json={"text": "a"}, headers=plain)).headers["location"]
    taken = await sample.post("/notes", json={"text": "a"}, headers=ann)
    assert (taken.status_code, taken.json()["title"]) == (409, "Such a note exists")
    await sample.delete(address, headers=plain)
    again = await sample.post("/notes", json={"text": "a"}, headers=ann)
    assert (again.status_code, again.content) == (409, taken.content)
    assert again.headers["content-type"] == "application/problem+json"


async def test_a_passing_refusal_undoes_the_effect_and_may_be_tried_again(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    for _ in range(2):
        answer = await sample.post("/notes", json={"text": "full"}, headers=ann)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
        assert "idempotent-replayed" not in answer.headers
    assert await texts(sample, token_mint) == []


async def test_a_connection_lost_between_effect_and_record_leaves_neither(
    sample: httpx.AsyncClient, ann: dict[str, str], token_mint: TokenMint
) -> None:
    answer = await sample.post("/notes", json={"text": "die"}, headers=ann)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert await texts(sample, token_mint) == []
    assert (await sample.post("/notes", json={"text": "b"}, headers=ann)).status_code == 201
    assert await texts(sample, token_mint) == ["b"]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
async def test_a_key_that_is_none_is_400(sample: httpx.AsyncClient, token_mint: TokenMint, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    headers += [(name.encode(), value.encode()) for name, value in token_mint.headers().items()]
    answer = await sample.post("/notes", json={"text": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["header"]) == (400, "idempotency-key")


async def test_a_key_is_forgotten_after_a_day_and_old_ones_are_cleaned_up(
    new_settings: NewSettings, token_mint: TokenMint
) -> None:
    settings = await new_settings()
    database = await asyncpg.connect(settings.database_url.reveal())
    async with started(create(settings)) as client:
        keys = (f"k-{number}" for number in itertools.count())

        async def add(text: str, key: str) -> httpx.Response:
            headers = token_mint.headers() | {"idempotency-key": key}
            return await client.post("/notes", json={"text": text}, headers=headers)

        await add("a", "old")
        await database.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
        assert (await add("b", "old")).status_code == 201
        await database.execute(
            "INSERT INTO idempotency_keys (scope, key, request, created_at) "
            "SELECT 'x', n::text, '', now() - interval '2 days' FROM generate_series(1, 30) n"
        )
        await add("c", next(keys))
        left = await database.fetchval("SELECT count(*) FROM idempotency_keys WHERE scope = 'x'")
        assert left == 30 - CLEAN_UP_ROWS
    await database.close()
