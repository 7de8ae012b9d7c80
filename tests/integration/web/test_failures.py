"""What people see when something is away, or was never there."""

from __future__ import annotations

import re

import pytest

from tests.integration.web.conftest import Browser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio


async def test_without_the_social_graph_people_are_told_and_profiles_are_shown(
    ann: Browser, stack: Stack
) -> None:
    await ann.save("https://example.org/", title="Public one")
    stack.stand.away = True
    people = await ann.get("/people")
    assert people.status_code == 200 and "cannot be shown at the moment" in people.text
    profile = await ann.get(f"/people/{ann.name}")
    assert profile.status_code == 200
    assert "Public one" in profile.text and "cannot be shown at the moment" in profile.text
    followed = await ann.post(f"/people/{ann.name}/change", {"action": "follow"})
    assert "is away" in followed.text


async def test_without_news_people_are_told(ann: Browser) -> None:
    page = await ann.get("/news")
    assert page.status_code == 200 and "News cannot be shown at the moment" in page.text


@pytest.mark.parametrize("path", ["/links", "/tags", "/dead-links", "/import/key", "/export/json"])
async def test_without_links_a_page_says_so_with_the_trace_id(ann: Browser, stack: Stack, path: str) -> None:
    stack.switched_off.add("links")
    page = await ann.get(path)
    assert page.status_code == 503
    assert "is away" in page.text
    assert re.search(r"Trace id <code>[0-9a-f]{32}</code>", page.text)
    assert "no healthy upstream" not in page.text


async def test_a_part_of_a_page_that_failed_is_a_part(ann: Browser, stack: Stack) -> None:
    stack.switched_off.add("links")
    part = await ann.get("/links?q=x", hx_request="true")
    assert part.status_code == 503 and "<html" not in part.text and 'role="alert"' in part.text


async def test_without_users_who_is_signed_in_goes_on_and_nobody_is_thrown_out(
    ann: Browser, stack: Stack
) -> None:
    stack.switched_off.add("users")
    assert (await ann.get("/links")).status_code == 200
    await stack.web.state.kit.running.deps.database.execute(
        "UPDATE web_sessions SET access_expires_at = now()"
    )
    assert (await ann.get("/links")).status_code == 503
    stack.switched_off.clear()
    assert (await ann.get("/links")).url.path == "/links"


async def test_without_users_nobody_signs_in_and_is_told_why(stranger: Browser, stack: Stack) -> None:
    token = await stranger.token("/sign-in")
    stack.switched_off.add("users")
    fields = {"form_token": token, "username": "ann", "password": "whatever it was"}
    page = await stranger.http.post("/sign-in", data=fields)
    assert page.status_code == 503 and "is away" in page.text


async def test_signing_out_works_without_users(ann: Browser, stack: Stack) -> None:
    token = await ann.token("/account/feeds")
    stack.switched_off.add("users")
    page = await ann.http.post("/sign-out", data={"form_token": token})
    assert "You are signed out." in page.text
    assert await stack.web.state.kit.running.deps.database.fetchval("SELECT count(*) FROM web_sessions") == 0


async def test_the_reference_shows_what_it_has_and_says_what_is_missing(
    stranger: Browser, stack: Stack
) -> None:
    stack.switched_off.add("links")
    document = (await stranger.get("/openapi.json")).json()
    assert "links" in document["x-away"]
    assert "/api/v1/users" in document["paths"] and "/api/v1/news" in document["paths"]
    assert "missing: " in (await stranger.get("/docs")).text


async def test_the_reference_is_one_valid_document(stranger: Browser) -> None:
    from openapi_spec_validator import validate

    document = (await stranger.get("/openapi.json")).json()
    away = document.pop("x-away")
    validate(document)
    assert away == ["social-graph"]
    assert {"/api/v1/links", "/api/v1/sessions", "/api/v1/news"} <= document["paths"].keys()


async def test_where_nothing_is_programs_get_a_problem(stranger: Browser) -> None:
    page = await stranger.get("/nowhere", accept="text/html")
    assert page.status_code == 404 and "Nothing is here" in page.text
    for path, accept in (("/nowhere", "application/json"), ("/api/v1/nowhere", "text/html")):
        problem = await stranger.get(path, accept=accept)
        assert problem.headers["content-type"] == "application/problem+json"


async def test_who_comes_without_a_session_comes_back_after_signing_in(stranger: Browser) -> None:
    page = await stranger.get("/links?q=a&tag=b")
    assert page.url.path == "/sign-in"
    assert 'name="next" value="/links?q=a&amp;tag=b"' in page.text
    part = await stranger.http.get("/links", headers={"hx-request": "true"})
    assert part.headers["hx-redirect"] == "/sign-in"


async def test_the_first_page_is_small(stranger: Browser) -> None:
    page = await stranger.get("/")
    size = len(page.content)
    for path in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)):
        asset = await stranger.get(path)
        assert asset.status_code == 200 and "immutable" in asset.headers["cache-control"]
        size += len(asset.content)
    assert size < 100_000, "uncompressed"


async def test_assets_are_sent_compressed_and_unknown_ones_are_not_found(stranger: Browser) -> None:
    page = await stranger.get("/")
    path = re.findall(r'href="(/static/[^"]+\.css)"', page.text)[0]
    asset = await stranger.get(path, accept_encoding="gzip")
    assert asset.headers["content-encoding"] == "gzip" and "--paper" in asset.text
    old = await stranger.get("/static/0000/style.css")
    assert old.status_code == 200 and old.headers["cache-control"] == "no-cache"
    assert (await stranger.get("/static/0000/../../settings.py")).status_code == 404
    assert (await stranger.get("/static/0000/nothing.js")).status_code == 404
