"""The HTTP interface as a client meets it, on the sample service."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.access_tokens import TokenMint
from tests.integration.kit.conftest import NewSettings, started
from tests.integration.kit.sample.app import create

pytestmark = pytest.mark.anyio


def is_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["type"].endswith(f"/{slug}")
    assert problem["title"]
    return problem


async def test_a_note_is_created_read_changed_under_its_etag_and_deleted(
    sample: httpx.AsyncClient, token_mint: TokenMint
) -> None:
    headers = token_mint.headers()
    created = await sample.post("/notes", json={"text": "one"}, headers=headers)
    assert created.status_code == 201
    address = created.headers["location"]
    assert created.headers["etag"] == '"1"'
    assert (await sample.get(address, headers=headers)).json() == created.json()
    unchanged = await sample.get(address, headers=headers | {"if-none-match": 'W/"1", "7"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    stale = await sample.put(address, json={"text": "x"}, headers=headers | {"if-match": '"9"'})
    is_problem(stale, 412, "precondition-failed")
    changed = await sample.put(address, json={"text": "two"}, headers=headers | {"if-match": '"1"'})
    assert (changed.json()["text"], changed.headers["etag"]) == ("two", '"2"')
    assert (await sample.delete(address, headers=headers)).status_code == 204
    is_problem(await sample.get(address, headers=headers), 404, "not-found")


async def test_a_list_is_paged_by_its_cursor(sample: httpx.AsyncClient, token_mint: TokenMint) -> None:
    headers = token_mint.headers()
    for text in "abcde":
        await sample.post("/notes", json={"text": text}, headers=headers)
    seen, cursor = [], None
    while True:
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = (await sample.get("/notes", params=parameters, headers=headers)).json()
        seen += [note["text"] for note in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == list("abcde")
    for wrong in ("x", "!!!!", "gA", "A" * 5_000):
        problem = is_problem(
            await sample.get("/notes", params={"cursor": wrong}, headers=headers), 400, "bad-request"
        )
        assert problem["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=many", "limit"),
        ("limit=0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("cursor=%00", "cursor"),
    ],
)
async def test_a_query_that_is_not_understood_names_the_parameter(
    sample: httpx.AsyncClient, token_mint: TokenMint, query: str, parameter: str
) -> None:
    answer = await sample.get(f"/notes?{query}", headers=token_mint.headers())
    assert is_problem(answer, 400, "bad-request")["parameter"] == parameter


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"text": 1}', "/text"),
        (b'{"text": ""}', "/text"),
        (b'{"text": "a", "colour": 1}', "/colour"),
        (b"{}", "/text"),
        (b'{"text": "a\\u0000"}', "/text"),
        (b"[]", ""),
    ],
)
async def test_a_body_that_is_not_understood_points_to_the_place(
    sample: httpx.AsyncClient, body: bytes, pointer: str
) -> None:
    answer = await sample.post("/clicks", content=body, headers={"content-type": "application/json"})
    assert is_problem(answer, 400, "bad-request")["pointer"] == pointer


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": "\\ud800"}', b'{"text": "\xff"}', b"[" * 100_000])
async def test_a_body_that_is_not_json_is_refused(sample: httpx.AsyncClient, body: bytes) -> None:
    headers = {"content-type": "application/json; charset=UTF-8"}
    answer = await sample.post("/clicks", content=body[:900], headers=headers)
    is_problem(answer, 400, "bad-request")


async def test_an_escaped_backslash_before_u0000_is_an_ordinary_text(sample: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await sample.post("/clicks", content=rb'{"text": "\\u0000"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/json; charset=latin-1"])
async def test_another_content_type_is_415(sample: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = await sample.post("/clicks", content=b"{}", headers=headers)
    is_problem(answer, 415, "unsupported-media-type")


async def test_a_body_over_the_limit_is_413_with_and_without_a_length(sample: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    whole = await sample.post("/clicks", content=b" " * 1_001, headers=headers)
    is_problem(whole, 413, "payload-too-large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    is_problem(await sample.post("/clicks", content=chunks(), headers=headers), 413, "payload-too-large")


async def test_a_stream_is_read_up_to_its_limit(sample: httpx.AsyncClient, token_mint: TokenMint) -> None:
    headers = token_mint.headers()
    assert (await sample.put("/uploads/a", content=b"x" * 9_999, headers=headers)).json() == {"count": 9_999}
    too_long = await sample.put("/uploads/a", content=b"x" * 10_001, headers=headers)
    is_problem(too_long, 413, "payload-too-large")


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/notes/", "/notes/x", "/notes/0", "/notes/9223372036854775808", "/notes/" + "9" * 5_000],
)
async def test_what_is_not_there_is_a_404_problem(
    sample: httpx.AsyncClient, token_mint: TokenMint, path: str
) -> None:
    is_problem(await sample.get(path, headers=token_mint.headers()), 404, "not-found")


async def test_a_method_that_is_not_there_is_405_with_every_method_of_the_path(
    sample: httpx.AsyncClient,
) -> None:
    answer = await sample.patch("/notes")
    is_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    is_problem(await sample.post("/healthz/live"), 405, "method-not-allowed")


async def test_head_is_get_without_the_body(sample: httpx.AsyncClient) -> None:
    head, get = await sample.head("/whoami"), await sample.get("/whoami")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == "2"


async def test_an_unforeseen_error_is_500_with_the_trace_id_and_nothing_else(
    sample: httpx.AsyncClient,
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-00"}
    problem = is_problem(await sample.get("/crash", headers=traced), 500, "internal-error")
    assert set(problem) == {"type", "title", "status", "trace_id"}
    assert problem["trace_id"] == trace_id
    assert re.fullmatch("[0-9a-f]{32}", (await sample.get("/crash")).json()["trace_id"])


async def test_a_request_past_its_deadline_is_504_also_when_the_caller_waits_for_less(
    sample: httpx.AsyncClient,
) -> None:
    async with asyncio.timeout(30):
        answer = await sample.get("/wait?seconds=60", headers={"x-request-timeout-ms": "50"})
    is_problem(answer, 504, "deadline-exceeded")
    assert (await sample.get("/wait?seconds=0", headers={"x-request-timeout-ms": "soon"})).status_code == 204


async def test_more_requests_than_places_are_shed_and_health_is_not(new_settings: NewSettings) -> None:
    settings = await new_settings(max_concurrency=1, max_queue=1, queue_timeout_s=5.0)
    async with started(create(settings)) as client:
        answers = [asyncio.create_task(client.get("/wait?seconds=0.3")) for _ in range(3)]
        assert (await client.get("/healthz/live")).status_code == 200
        statuses = [(await answer).status_code for answer in answers]
        assert sorted(statuses) == [204, 204, 503]
        shed = next(answer.result() for answer in answers if answer.result().status_code == 503)
        is_problem(shed, 503, "unavailable")
        assert shed.headers["retry-after"] == "1"


async def test_a_body_that_comes_slowly_takes_nobodys_place(new_settings: NewSettings) -> None:
    settings = await new_settings(max_concurrency=1, max_queue=0)
    arriving, rest = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"text":'
        arriving.set()
        await rest.wait()
        yield b'"late"}'

    async with started(create(settings)) as client:
        json = {"content-type": "application/json"}
        slow = asyncio.create_task(client.post("/clicks", content=slowly(), headers=json))
        await arriving.wait()
        assert (await client.post("/clicks", json={"text": "soon"})).status_code == 200
        rest.set()
        assert (await slow).json() == {"count": 2}


async def test_one_callers_slow_writes_leave_connections_for_others(
    new_settings: NewSettings, token_mint: TokenMint
) -> None:
    settings = await new_settings(database_pool_size=2, database_acquire_timeout_s=1.5)

    async def write(key: str) -> int:
        headers = token_mint.headers(1) | {"idempotency-key": key}
        return (await client.post("/notes", json={"text": "wait long"}, headers=headers)).status_code

    async with started(create(settings)) as client:
        await client.get("/notes", headers=token_mint.headers(2))
        writes = [asyncio.create_task(write(key)) for key in "abcd"]
        while not all(write.done() for write in writes):
            assert (await client.get("/notes", headers=token_mint.headers(2))).status_code == 200
        assert sorted(write.result() for write in writes) == [201, 409, 409, 409]


async def test_a_request_that_waits_too_long_for_its_turn_is_shed(new_settings: NewSettings) -> None:
    async with started(create(await new_settings(max_concurrency=1, queue_timeout_s=0.05))) as client:
        running = asyncio.create_task(client.get("/wait?seconds=0.4"))
        await asyncio.sleep(0)
        is_problem(await client.get("/wait?seconds=0"), 503, "unavailable")
        assert (await running).status_code == 204
        assert (await client.get("/wait?seconds=0")).status_code == 204


async def test_the_description_is_valid_openapi_and_documents_what_the_kit_adds(
    sample: httpx.AsyncClient,
) -> None:
    document = (await sample.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    post = document["paths"]["/notes"]["post"]
    assert {"201", "400", "401", "403", "409", "413", "415", "422", "503", "504"} <= set(post["responses"])
    assert "text-taken" in post["responses"]["409"]["description"]
    assert "application/problem+json" in post["responses"]["409"]["content"]
    assert post["security"] == [{"accessToken": ["write"]}]
    assert "Idempotency-Key" in [parameter["name"] for parameter in post["parameters"]]
    listing = document["paths"]["/notes"]["get"]
    assert [parameter["name"] for parameter in listing["parameters"]] == ["limit", "cursor", "word"]
    change = document["paths"]["/notes/{note_id}"]["put"]["parameters"]
    assert [parameter["name"] for parameter in change][:2] == ["note_id", "If-Match"]


async def test_readiness_names_every_resource_and_what_is_wrong_with_it(new_settings: NewSettings) -> None:
    async with started(create(await new_settings())) as client:
        ready = await client.get("/healthz/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": {"database": "ok"}})
