"""What a command says when a server refuses it."""

from __future__ import annotations

from collections.abc import Mapping

import click
import httpx
import pytest

from delinkcious.asking import UNREACHABLE, Failed, run
from services.kit.http import HttpClient

PROBLEM = {"content-type": "application/problem+json"}


def told(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> click.ClickException:
    """What a command fails with when this is all that a server answers."""

    async def work() -> None:
        answer = httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))
        async with httpx.AsyncClient(transport=answer) as client:
            await HttpClient(client).request("POST", "https://127.61.0.6/api/v1/links")

    with pytest.raises(Failed) as refused:
        run(work())
    return refused.value


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_edge_that_finds_no_service_ready_is_told_as_that(status: int) -> None:
    failure = told(status, b"no healthy upstream")
    assert failure.message == f"Delinkcious is not ready ({status}); try again in a moment"


def test_a_service_is_told_in_its_own_words() -> None:
    failure = told(503, b'{"detail": "the database is away"}', PROBLEM)
    assert (failure.message, failure.exit_code) == ("the database is away", UNREACHABLE)
    assert told(409, b'{"detail": "there is one"}', PROBLEM).message == "there is one"
