"""The links service as other programs use it: typed calls over the kit's HTTP client."""

from __future__ import annotations

import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import msgspec

from services.kit.errors import Unavailable
from services.kit.http import CONNECT_TIMEOUT_S, HttpClient, problem_of
from services.kit.page import Page
from services.links.bookmarks.messages import (
    EXPORT_DEADLINE_S,
    IMPORT_DEADLINE_S,
    STALLED_S,
    ExportFormat,
    ExportQuery,
    Import,
)
from services.links.bookmarks.model import Options
from services.links.bulk import AddTags, Bulk, BulkReport, Delete, Filter, Operation, RemoveTags, SetFlags
from services.links.domain import Counts, Health, Link, LinkChange, NewLink, tag_name
from services.links.events import (
    CHECK_FINISHED,
    LINK_REMOVED,
    LINK_SAVED,
    CheckFinished,
    LinkRemoved,
    LinkSaved,
)
from services.links.listing import Day, Days, Listed, Listing
from services.links.queries import (
    DaysQuery,
    LinkQuery,
    ListingOrder,
    ListingQuery,
    SuggestionQuery,
    TagEntryQuery,
    TagQuery,
    TagsToDelete,
)
from services.links.search.highlight import Highlights
from services.links.search.results import Hit, SearchQuery
from services.links.tags import (
    Merge,
    NewTag,
    Rename,
    Suggestion,
    Suggestions,
    TagCount,
    TagEntries,
    TagEntry,
    TagsChanged,
)
from services.links.urls import InvalidUrl, normalise_url
from telemetry.instrumentation.http import answered, calling

__all__ = [
    "CHECK_FINISHED",
    "EXPORT_DEADLINE_S",
    "IMPORT_DEADLINE_S",
    "LINK_REMOVED",
    "LINK_SAVED",
    "AddTags",
    "Bulk",
    "BulkReport",
    "CheckFinished",
    "Counts",
    "Day",
    "DaysQuery",
    "Delete",
    "ExportFormat",
    "ExportQuery",
    "Filter",
    "Health",
    "Highlights",
    "Hit",
    "Import",
    "InvalidUrl",
    "Link",
    "LinkChange",
    "LinkQuery",
    "LinkRemoved",
    "LinkSaved",
    "LinksClient",
    "Listed",
    "Listing",
    "ListingOrder",
    "ListingQuery",
    "Merge",
    "NewLink",
    "NewTag",
    "Operation",
    "Options",
    "RemoveTags",
    "Rename",
    "SearchQuery",
    "SetFlags",
    "Suggestion",
    "SuggestionQuery",
    "TagCount",
    "TagEntries",
    "TagEntry",
    "TagEntryQuery",
    "TagQuery",
    "TagsChanged",
    "Token",
    "normalise_url",
    "parameters",
    "tag_name",
]

T = TypeVar("T")

# Gives an access token that is valid now; asked before every call, so it may renew what it gives.
Token = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class LinksClient:
    """Calls on behalf of the user whose token it is given; raises the kit's Problems.

    Writes carry an Idempotency-Key of their own, so that they are repeated safely when an answer is lost.
    """

    http: HttpClient
    token: Token
    base_url: str = "http://links"

    async def save(self, link: NewLink) -> tuple[Link, bool]:
        """The saved link, and whether it is new."""
        response = await self.http.request(
            "POST",
            f"{self.base_url}/api/v1/links",
            content=msgspec.json.encode(link),
            headers={
                **_write_headers(),
                "authorization": f"Bearer {await self.token()}",
                "content-type": "application/json",
            },
        )
        return msgspec.json.decode(response.content, type=Link), response.status_code == 201

    async def get(self, link_id: int) -> Link:
        return await self._call("GET", "/links/{link_id}", Link, path={"link_id": link_id})

    async def page(self, query: LinkQuery) -> Page[Link]:
        """One page of a list."""
        return await self._call("GET", "/links", Page[Link], query=query)

    async def iterate(self, query: LinkQuery) -> AsyncIterator[Link]:
        """Every link of a list, page by page; the query's limit is the size of a page."""
        while True:
            page = await self.page(query)
            for link in page.items:
                yield link
            if page.next is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next)

    async def counts(self) -> Counts:
        return await self._call("GET", "/links/counts", Counts)

    async def edit(self, link_id: int, change: LinkChange, *, version: int | None = None) -> Link:
        """Change a link; with `version` only if it still has it (else PreconditionFailed)."""
        return await self._call(
            "PATCH", "/links/{link_id}", Link, path={"link_id": link_id}, body=change, version=version
        )

    async def delete(self, link_id: int, *, version: int | None = None) -> None:
        await self._call("DELETE", "/links/{link_id}", type(None), path={"link_id": link_id}, version=version)

    async def bulk(self, operations: Bulk) -> BulkReport:
        return await self._call("POST", "/links/bulk", BulkReport, body=operations)

    async def tags(self, query: TagQuery) -> Page[TagCount]:
        return await self._call("GET", "/tags", Page[TagCount], query=query)

    async def listing(self, query: ListingQuery) -> Listing:
        """A numbered part of a list, and how many links the whole list has."""
        return await self._call("GET", "/links/listing", Listing, query=query)

    async def days(self, query: DaysQuery) -> list[Day]:
        return (await self._call("GET", "/links/days", Days, query=query)).items

    async def tag_entries(self, query: TagEntryQuery) -> TagEntries:
        return await self._call("GET", "/tags/entries", TagEntries, query=query)

    async def tag_entry(self, tag_id: int) -> TagEntry:
        return await self._call("GET", "/tags/{tag_id}", TagEntry, path={"tag_id": tag_id})

    async def keep_tag(self, name: str) -> TagEntry:
        """The tag of this name, made if there is none; it stays without any link."""
        return await self._call("POST", "/tags", TagEntry, body=NewTag(name))

    async def suggest_tags(self, query: SuggestionQuery) -> list[Suggestion]:
        found = await self._call("GET", "/tags/suggestions", Suggestions, query=query)
        return found.suggestions

    async def rename_tag(self, rename: Rename) -> TagsChanged:
        return await self._call("POST", "/tags/rename", TagsChanged, body=rename)

    async def merge_tags(self, merge: Merge) -> TagsChanged:
        return await self._call("POST", "/tags/merge", TagsChanged, body=merge)

    async def delete_tags(self, *tags: str) -> TagsChanged:
        return await self._call("DELETE", "/tags", TagsChanged, query=TagsToDelete(list(tags)))

    async def search(self, query: SearchQuery) -> Page[Hit]:
        """One page of what a query of the search language finds."""
        return await self._call("GET", "/links/search", Page[Hit], query=query)

    async def import_file(self, key: str, content: AsyncIterable[bytes], options: Options) -> Import:
        """Send a bookmark file and wait for its report; the same key and file again goes on where it stopped.

        `content` is sent as it comes, never held whole. Raises Unavailable when the connection breaks.
        """
        headers = {"authorization": f"Bearer {await self.token()}"}
        route = f"{self.base_url}/api/v1/imports/"
        with _connection(), calling("PUT", route + "{key}", headers) as span:
            response = await self.http.client.put(
                route + key,
                params=parameters(options),
                content=content,
                headers=headers,
                timeout=httpx.Timeout(CONNECT_TIMEOUT_S, read=IMPORT_DEADLINE_S, write=STALLED_S),
            )
            answered(span, response.status_code)
        if not response.is_success:
            raise problem_of(response)
        return msgspec.json.decode(response.content, type=Import)

    async def import_progress(self, key: str) -> Import:
        return await self._call("GET", "/imports/{key}", Import, path={"key": key})

    async def export(self, query: ExportQuery) -> AsyncGenerator[bytes, None]:
        """The user's links as a bookmark file, piece by piece; raises Unavailable when it breaks off."""
        headers = {"authorization": f"Bearer {await self.token()}"}
        url = f"{self.base_url}/api/v1/exports"
        with _connection(), calling("GET", url, headers) as span:
            async with self.http.client.stream(
                "GET",
                url,
                params=parameters(query),
                headers=headers,
                timeout=httpx.Timeout(CONNECT_TIMEOUT_S, read=STALLED_S),
            ) as response:
                answered(span, response.status_code)
                if not response.is_success:
                    await response.aread()
                    raise problem_of(response)
                async for piece in response.aiter_bytes():
                    yield piece

    async def _call(
        self,
        method: str,
        route: str,
        kind: type[T],
        *,
        path: Mapping[str, object] | None = None,
        body: object = None,
        query: msgspec.Struct | None = None,
        version: int | None = None,
    ) -> T:
        headers = {} if method == "GET" else _write_headers()
        if version is not None:
            headers["if-match"] = f'"{version}"'
        return await self.http.call(
            method,
            f"{self.base_url}/api/v1{route}",
            kind,
            body=body,
            path=path,
            params=None if query is None else parameters(query),
            headers=headers,
            token=await self.token(),
        )


def parameters(query: msgspec.Struct) -> dict[str, Any]:
    """A query struct as the parameters of an address; what is unset is left out."""
    return {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}


@contextmanager
def _connection() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise Unavailable("the connection to the links service broke") from error


def _write_headers() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}
