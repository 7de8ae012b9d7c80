"""The typed client against the real service: what other programs build on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from services.kit.errors import Conflict, NotFound, PreconditionFailed
from services.kit.http import HttpClient
from services.links import bulk
from services.links.bookmarks.messages import ExportQuery
from services.links.bookmarks.model import Options
from services.links.bulk import Bulk
from services.links.client import LinksClient
from services.links.domain import LinkChange, NewLink
from services.links.queries import LinkQuery, SuggestionQuery, TagQuery
from services.links.search.results import SearchQuery
from services.links.tags import Merge, Rename, TagCount
from tests.access_tokens import TokenMint

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(app: Starlette, token_mint: TokenMint) -> LinksClient:
    async def token() -> str:
        return token_mint.token(1)

    return LinksClient(HttpClient(httpx.AsyncClient(transport=httpx.ASGITransport(app))), token)


async def test_links_are_saved_read_changed_and_deleted(client: LinksClient) -> None:
    link, is_new = await client.save(NewLink(url="https://example.org", title="One", tags=("a",)))
    again, is_new_again = await client.save(NewLink(url="https://example.org/", to_read=True))
    assert (is_new, is_new_again, again.id, again.title) == (True, False, link.id, "One")
    assert await client.get(link.id) == again
    edited = await client.edit(link.id, LinkChange(title=""), version=2)
    assert (edited.title, edited.tags, edited.version) == ("", ["a"], 3)
    with pytest.raises(PreconditionFailed):
        await client.delete(link.id, version=2)
    await client.delete(link.id, version=3)
    with pytest.raises(NotFound):
        await client.get(link.id)


async def test_a_list_is_walked_to_its_end_and_filtered(client: LinksClient) -> None:
    for number in range(7):
        await client.save(
            NewLink(url=f"https://example.org/{number}", tags=("even", "x") if number % 2 == 0 else ())
        )
    walked = [link.url async for link in client.iterate(LinkQuery(limit=2, order="oldest"))]
    assert walked == [f"https://example.org/{number}" for number in range(7)]
    both = await client.page(LinkQuery(tag=["even", "x"], to_read=False, order="oldest"))
    assert [link.url[-1] for link in both.items] == ["0", "2", "4", "6"]
    assert (await client.counts()).links == 7


async def test_a_file_is_imported_found_and_exported(client: LinksClient) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n<DT><A HREF='https://example.org'"
        yield b" TAGS='a,b'>Grown tomatoes</A>\n</DL><p>\n"

    report = await client.import_file("spring", content(), Options())
    assert (report.state, report.added) == ("done", 1)
    assert (await client.import_progress("spring")).added == 1
    found = await client.search(SearchQuery(q="tomatoes tag:a"))
    assert [hit.link.url for hit in found.items] == ["https://example.org/"]
    exported = b"".join([piece async for piece in client.export(ExportQuery(format="json"))])
    assert b"https://example.org/" in exported
    with pytest.raises(NotFound):
        await client.import_progress("autumn")


async def test_tags_and_bulk_operations_have_their_calls(client: LinksClient) -> None:
    one, _ = await client.save(NewLink(url="https://example.org/1", tags=("a", "b")))
    two, _ = await client.save(NewLink(url="https://example.org/2", tags=("b", "c/d")))
    assert (await client.tags(TagQuery(order="count", limit=1))).items == [TagCount("b", 2)]
    assert [found.tag for found in await client.suggest_tags(SuggestionQuery(tag=["a"]))] == ["b"]
    assert (await client.rename_tag(Rename("c/d", "e"))).links == 1
    with pytest.raises(Conflict):
        await client.rename_tag(Rename("a", "b"))
    assert (await client.merge_tags(Merge(("a", "b"), "e"))).links == 2
    assert (await client.delete_tags("e")).links == 2
    report = await client.bulk(
        Bulk((bulk.SetFlags(ids=(one.id,), private=True), bulk.Delete(where=bulk.Filter(private=False))))
    )
    assert [(link.id, link.outcome) for link in report.links] == [(one.id, "changed"), (two.id, "deleted")]
