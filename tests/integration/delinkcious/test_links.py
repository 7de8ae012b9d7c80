"""`delinkcious link`: one link saved, shown, changed, found and deleted, by its number or its address."""

from __future__ import annotations

import json

import pytest

from tests.integration.delinkcious.conftest import Program

pytestmark = pytest.mark.anyio
URL = "https://example.org/page"


async def test_a_link_is_saved_changed_and_deleted(program: Program) -> None:
    await program("sign-up", "ada", "--password-stdin", stdin=b"quiet-otters-row-home\n")
    saved = await program("link", "add", URL, "-t", "web", "-t", "docs", "--private")
    assert saved.code == 0
    assert saved.out.decode().splitlines()[0].startswith("Saved ")
    again = await program("link", "add", URL, "--title", "A page", "-o", "json")
    link = json.loads(again.out)
    assert (link["title"], link["tags"], link["private"]) == ("A page", ["docs", "web"], True)

    by_number = await program("link", "show", str(link["id"]), "-o", "json")
    by_address = await program("link", "show", URL, "-o", "json")
    assert json.loads(by_number.out) == json.loads(by_address.out) == link
    changed = await program("link", "edit", URL, "--public", "-t", "web", "-o", "json")
    assert (json.loads(changed.out)["private"], json.loads(changed.out)["tags"]) == (False, ["web"])
    assert b"A page" in (await program("link", "search", "tag:web")).out

    assert (await program("link", "rm", URL)).code == 0
    gone = await program("link", "show", URL)
    assert (gone.code, gone.err.strip()) == (1, f"Error: no link has the address {URL}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("link", "show", "page"), 2, "neither the number of a link nor an address"),
        (("link", "edit", URL), 2, "say what to change"),
        (("link", "rm", "77"), 1, "link 77"),
        (("link", "add", "not an address"), 1, "url"),
    ],
)
async def test_a_mistake_is_one_sentence(
    program: Program, arguments: tuple[str, ...], code: int, said: str
) -> None:
    await program("sign-up", "ada", "--password-stdin", stdin=b"quiet-otters-row-home\n")
    done = await program(*arguments)
    assert done.code == code, done.err
    assert said in done.err


async def test_nothing_is_deleted_when_one_is_not_there(program: Program) -> None:
    await program("sign-up", "ada", "--password-stdin", stdin=b"quiet-otters-row-home\n")
    await program("link", "add", URL)
    assert (await program("link", "rm", URL, "https://example.org/other")).code == 1
    assert (await program("link", "show", URL)).code == 0
