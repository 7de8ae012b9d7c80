"""Which pages a trace is said to be on."""

from __future__ import annotations

import httpx
import pytest

from delinkcious.commands.trace import _has_pages

BASE = "http://127.0.0.1:16686"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("html", "has"), [('<div id="jaeger-ui-root"></div>', True), ("This is not the Jaeger UI", False)]
)
async def test_the_page_of_jaeger_is_named_where_it_has_one(html: str, has: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, html=html))
    assert await _has_pages(BASE, transport) is has


@pytest.mark.anyio
async def test_a_jaeger_that_does_not_answer_has_no_page() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert not await _has_pages(BASE, httpx.MockTransport(refuse))
