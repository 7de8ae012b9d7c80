"""Who calls Pinboard's interface, how often, and from where."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from services.kit.errors import Unauthenticated
from services.users.client import UsersClient
from services.web.programs.identities import KNOWN_S
from tests.integration.programs.conftest import PASSWORD, NewPerson, Person
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

URL = "https://example.org/a?b=1&c=%20#d"


async def add(person: Person, url: str = URL, **fields: Any) -> str:
    answer = await person.pinboard("posts/add", **{"url": url, "description": "T", **fields})
    return str(answer["result_code"])


async def only_post(person: Person, url: str = URL) -> dict[str, str]:
    (post,) = (await person.pinboard("posts/get", url=url))["posts"]
    return dict(post)


async def test_who_calls_may_be_said_in_four_ways(ann: Person, bob: Person) -> None:
    token = ann.token
    ways: tuple[tuple[dict[str, Any], int], ...] = (
        ({"params": {"auth_token": f"{ann.name}:{token}"}}, 200),
        ({"params": {"auth_token": f"{ann.name.upper()}:{token}"}}, 200),
        ({"headers": ann.basic(token)}, 200),
        ({"headers": ann.basic(PASSWORD)}, 200),
        ({"params": {"auth_token": f"{bob.name}:{token}"}}, 401),
        ({"params": {"auth_token": token}}, 401),
        ({"params": {"auth_token": f"{ann.name}:{token[:-1]}x"}}, 401),
        ({"headers": bob.basic(token)}, 401),
        ({"headers": ann.basic("another password")}, 401),
        ({"headers": {"authorization": "Basic %%%"}}, 401),
        ({}, 401),
    )
    for arguments, status in ways:
        answer = await ann.web.get("/v1/posts/update", **arguments)
        assert answer.status_code == status, arguments
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Basic")
    sent = await ann.web.post(
        "/v1/posts/add/",
        params={"description": "query", "url": URL},
        data={"auth_token": f"{ann.name}:{token}", "description": "form", "format": "json"},
    )
    assert sent.json() == {"result_code": "done"}
    assert (await only_post(ann))["description"] == "form"


async def test_a_token_that_may_only_read_cannot_write(ann: Person) -> None:
    ann.token = await ann.new_token("read")
    assert await ann.pinboard("posts/all") == []
    for method in ("posts/add", "posts/delete", "tags/delete", "tags/rename"):
        answer = await ann.web.get(
            f"/v1/{method}", params={"auth_token": f"{ann.name}:{ann.token}", "url": URL, "description": "T"}
        )
        assert answer.status_code == 403, method


async def test_a_password_is_exchanged_for_one_token(ann: Person) -> None:
    headers = ann.basic(PASSWORD)
    found = {
        (await ann.web.get("/v1/user/api_token", params={"format": "json"}, headers=headers)).json()["result"]
        for _ in range(3)
    }
    (token,) = found
    ann.token = token
    assert await ann.pinboard("user/api_token") == {"result": token}
    assert await add(ann) == "done"
    secret = await ann.pinboard("user/secret")
    assert secret == await ann.pinboard("user/secret")
    assert len(secret["result"]) >= 20


async def test_one_session_serves_a_password_however_often_it_comes(ann: Person) -> None:
    headers = ann.basic(PASSWORD)
    answers = await asyncio.gather(*(ann.web.get("/v1/posts/update", headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    sessions = await ann.users.get(
        "/api/v1/sessions", headers={"authorization": f"Bearer {ann.access_token}"}
    )
    assert len(sessions.json()["items"]) == 2


@pytest.mark.parametrize("shows", ["token", "password"])
async def test_what_was_revoked_is_good_for_half_a_minute_at_most(
    ann: Person, stack: Stack, shows: str
) -> None:
    headers = ann.basic(ann.token if shows == "token" else PASSWORD)
    identities = stack.web.state.kit.running.deps.identities
    users = stack.users.state.kit.running.database
    assert (await ann.web.get("/v1/posts/update", headers=headers)).status_code == 200
    await users.execute("DELETE FROM api_tokens")
    await users.execute("UPDATE users SET password_hash = NULL, password_changed_at = now()")
    await users.execute("DELETE FROM sessions")
    identities._now = lambda: time.time() + KNOWN_S
    assert KNOWN_S <= 30
    assert (await ann.web.get("/v1/posts/update", headers=headers)).status_code == 401


@pytest.mark.parametrize("shows", ["token", "password"])
async def test_users_is_asked_once_in_half_a_minute(
    ann: Person, stack: Stack, monkeypatch: pytest.MonkeyPatch, shows: str
) -> None:
    identities = stack.web.state.kit.running.deps.identities
    asked: list[str] = []
    for name in ("sign_in", "exchange_token", "is_open", "refresh"):

        def counted(name: str, before: Any) -> Any:
            async def call(*arguments: Any, **named: Any) -> Any:
                asked.append(name)
                return await before(*arguments, **named)

            return call

        monkeypatch.setattr(UsersClient, name, counted(name, getattr(UsersClient, name)))
    headers = ann.basic(ann.token if shows == "token" else PASSWORD)

    async def call() -> int:
        return (await ann.web.get("/v1/posts/update", headers=headers)).status_code

    assert set(await asyncio.gather(*(call() for _ in range(8)))) == {200}
    identities._now = lambda: time.time() + KNOWN_S
    assert set(await asyncio.gather(*(call() for _ in range(8)))) == {200}
    # No new session for a password, and no other refresh token, as long as the one before goes on.
    assert asked == {"token": ["exchange_token"] * 2, "password": ["sign_in", "is_open"]}[shows]


async def test_a_password_goes_on_when_the_key_of_its_access_token_is_taken_away(
    ann: Person, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = ann.basic(PASSWORD)
    assert (await ann.web.get("/v1/posts/update", headers=headers)).status_code == 200

    async def refused(*_: object) -> None:
        raise Unauthenticated("not an access token")

    monkeypatch.setattr(UsersClient, "is_open", refused)
    stack.web.state.kit.running.deps.identities._now = lambda: time.time() + KNOWN_S
    assert (await ann.web.get("/v1/posts/update", headers=headers)).status_code == 200


async def test_unknown_methods_and_verbs(ann: Person) -> None:
    auth = {"auth_token": f"{ann.name}:{ann.token}"}
    for method in ("posts/none", "posts", "", "notes/a/b", "posts/add/more"):
        assert (await ann.web.get(f"/v1/{method}", params=auth)).status_code == 404, method
    assert (await ann.web.put("/v1/posts/add", params=auth)).status_code == 405


@pytest.mark.usefixtures("no_time_passes")
async def test_too_many_calls_are_told_when_to_come_again(ann: Person) -> None:
    auth = {"auth_token": f"{ann.name}:{ann.token}", "format": "json"}
    statuses = [(await ann.web.get("/v1/posts/all", params=auth)).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    refused = await ann.web.get("/v1/posts/all", params=auth)
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert (await ann.web.get("/v1/posts/all", params={**auth, "results": 10})).status_code == 200
    assert (await ann.web.get("/v1/posts/update", params=auth)).status_code == 200


async def test_nobody_reads_or_changes_the_posts_of_another(ann: Person, new_person: NewPerson) -> None:
    await add(ann, shared="no", tags="Own")
    bob = await new_person()
    assert await bob.pinboard("posts/all") == []
    assert await bob.pinboard("tags/get") == {}
    assert await bob.pinboard("posts/delete", url=URL) == {"result_code": "item not found"}
    await bob.pinboard("tags/delete", tag="own")
    assert (await only_post(ann))["tags"] == "Own"


@pytest.mark.parametrize("scheme", ["moz-extension", "chrome-extension"])
async def test_extensions_may_read_answers_and_pages_may_not(ann: Person, scheme: str) -> None:
    origin = f"{scheme}://0123abcd-0000-4000-8000-000000000000"
    ask = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    preflight = await ann.web.options("/v1/posts/get", headers={"origin": origin, **ask})
    assert preflight.status_code in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    for headers in ({"origin": origin}, {"origin": origin, **ann.basic(ann.token)}):
        answer = await ann.web.get("/v1/posts/update", headers=headers)
        assert answer.headers["access-control-allow-origin"] == origin
    for other in ("https://evil.example", f"{origin}.evil.example", "null"):
        refused = await ann.web.get("/v1/posts/update", headers={"origin": other})
        assert "access-control-allow-origin" not in refused.headers


async def test_another_sites_page_changes_nothing_with_a_password_that_the_browser_remembers(
    ann: Person,
) -> None:
    assert await add(ann) == "done"
    basic, extension = ann.basic(PASSWORD), {"origin": "moz-extension://0a1b"}
    writes = {
        "posts/add": {"url": "https://evil.example/", "description": "T"},
        "posts/delete": {"url": URL},
        "tags/delete": {"tag": "a"},
        "tags/rename": {"old": "a", "new": "b"},
    }
    for site in ("cross-site", "same-site"):
        sent_by = {"sec-fetch-site": site}
        for method, fields in writes.items():
            for verb in ("GET", "POST"):
                refused = await ann.web.request(
                    verb, f"/v1/{method}", params=fields, headers={**basic, **sent_by}
                )
                assert refused.status_code == 403, (verb, method)
        read = await ann.web.get("/v1/posts/get", params={"url": URL}, headers={**basic, **sent_by})
        assert read.status_code == 200
        assert [post["href"] for post in (await ann.pinboard("posts/all"))] == [URL]
    params = {"url": "https://example.org/b", "description": "T"}
    token = {"auth_token": f"{ann.name}:{ann.token}"}
    cross = {"sec-fetch-site": "cross-site"}
    allowed: tuple[dict[str, Any], ...] = (
        {"headers": basic},
        {"headers": {**basic, "sec-fetch-site": "none"}},
        {"headers": {**basic, **cross, **extension}},
        {"headers": cross, "params": {**params, **token}},
    )
    for arguments in allowed:
        done = await ann.web.get("/v1/posts/add", **{"params": params, **arguments})
        assert done.status_code == 200, arguments


async def test_a_head_request_has_no_body(ann: Person) -> None:
    answer: httpx.Response = await ann.web.head("/v1/posts/update", headers=ann.basic(ann.token))
    assert (answer.status_code, answer.content) == (200, b"")
