"""One call of this interface: who makes it and what it says; and how posts are read for it and sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from starlette.responses import Response, StreamingResponse

from services.links.client import LinksClient, Listed, ListingQuery
from services.web.deps import Deps
from services.web.pinboard.answers import MEDIA_TYPES, Answer, Format, PostList, rendered
from services.web.pinboard.parameters import Parameters
from services.web.pinboard.post import shown
from services.web.programs import times
from services.web.programs.identities import Caller

# Posts that are read at a time.
PAGE = 500


@dataclass(frozen=True)
class Call:
    """What a method works with."""

    deps: Deps
    caller: Caller
    parameters: Parameters

    @property
    def form(self) -> Format:
        return "json" if self.parameters.text("format").strip().lower() == "json" else "xml"

    @property
    def links(self) -> LinksClient:
        return self.deps.links(self.caller.token)

    async def post_at(self, url: str) -> Listed | None:
        """The caller's post of an address; raises Unprocessable for what is none."""
        query = ListingQuery(url=address(url), limit=1, counted=False)
        return next(iter((await self.links.listing(query)).items), None)

    def answer(self, answer: Answer) -> Response:
        return Response(rendered(answer, self.form), media_type=MEDIA_TYPES[self.form])

    async def posts(self, query: ListingQuery, most: int | None, date: str | None = None) -> Response:
        """At most so many posts, streamed; the first are read before anything is sent.

        Without `date` a bare list; with an empty one the time of the first post, or now.
        """
        first = await self._page(query, most)
        if date == "":
            newest = first[0].link.created_at if first else dt.datetime.now(dt.UTC)
            date = times.written(newest)
        frame = PostList(self.form, self.caller.name, date)
        media_type = MEDIA_TYPES[self.form]
        if len(first) < PAGE or most == len(first):
            body = frame.head + frame.between.join(frame.post(shown(each)) for each in first) + frame.tail
            return Response(body, media_type=media_type)
        return StreamingResponse(self._written(frame, query, first, most), media_type=media_type)

    async def _written(
        self, frame: PostList, query: ListingQuery, page: list[Listed], most: int | None
    ) -> AsyncIterator[bytes]:
        text, between, sent = frame.head, "", 0
        while page:
            text += between + frame.between.join(frame.post(shown(each)) for each in page)
            yield text.encode()
            text, between, sent = "", frame.between, sent + len(page)
            if sent == most:
                break
            last = page[-1].link
            query = msgspec.structs.replace(query, offset=0, after_time=last.created_at, after_url=last.url)
            page = await self._page(query, None if most is None else most - sent)
        yield (text + frame.tail).encode()

    async def _page(self, query: ListingQuery, most: int | None) -> list[Listed]:
        limit = PAGE if most is None else min(PAGE, most)
        if limit == 0:
            return []
        query = msgspec.structs.replace(query, order="posted", limit=limit, counted=False)
        return (await self.links.listing(query)).items


def address(url: str) -> str:
    """The address that is meant: `feed:` is HTTP by another name."""
    text = url.strip()
    if text[:5].lower() != "feed:":
        return text
    rest = text[5:]
    return rest if rest[:7].lower() == "http://" or rest[:8].lower() == "https://" else f"http:{rest}"
