"""Pages of links with very long texts: an answer stays within what its reader takes, the list is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from services.kit.http import MAX_ANSWER_BYTES, SERVICE_TOKEN
from tests.access_tokens import TokenMint
from tests.integration.links.conftest import TOKEN

pytestmark = pytest.mark.anyio

LINKS = 70
# Six bytes each in JSON.
LONG = "\x01" * 60_000
TAGS = [f"{number:02}" + "\x01" * 250 for number in range(100)]

FILL = """
    INSERT INTO links (owner_id, url, host, title, note, tags, created_at)
    SELECT 1, 'https://example.org/' || n, 'example.org', 'needle', $1, $2, '2026-01-01'
    FROM generate_series(1, $3) AS n"""


async def walk(client: httpx.AsyncClient, path: str, **query: Any) -> list[Mapping[str, Any]]:
    """Every item of a list, page by page."""
    found: list[Mapping[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < MAX_ANSWER_BYTES
        page = answer.json()
        assert page["items"]
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_a_page_of_long_links_ends_early_and_leads_on(
    app: Starlette, database_url: str, token_mint: TokenMint
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(FILL, LONG, TAGS, LINKS)
    await connection.close()
    headers = {SERVICE_TOKEN: TOKEN, **token_mint.headers(1)}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://links", headers=headers) as client:
        for path, query in (
            ("/api/v1/links", {"limit": 40}),
            ("/api/v1/links", {"limit": 1_000, "order": "title"}),
            ("/api/v1/links/search", {"limit": 100, "q": "needle"}),
            ("/api/v1/links/search", {"limit": 100, "q": "site:example.org"}),
            ("/internal/v1/links", {"limit": 1_000}),
            ("/internal/v1/public-links", {"limit": 1_000}),
        ):
            found = await walk(client, path, **query)
            ids = {item.get("link", item)["id"] for item in found}
            assert len(found) == len(ids) == LINKS, path
