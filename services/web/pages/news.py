"""News: what those whom one follows have saved, and each new one as it comes."""

from __future__ import annotations

from starlette.responses import Response

from services.kit.errors import BadRequest, Problem, Unauthenticated
from services.kit.page import Page
from services.web import rendering
from services.web.page import page
from services.web.streams import Events, event, last_position
from services.web.visit import Visit

PAGE_NEWS = 25
AWAY = "News cannot be shown at the moment. Your links are not affected; try again soon."


async def index(visit: Visit) -> Response:
    away = ""
    try:
        found = await visit.deps.news.page(
            await visit.token(), limit=PAGE_NEWS, cursor=visit.query.text("cursor") or None
        )
    except (Unauthenticated, BadRequest):
        raise
    except Problem:
        found, away = Page(items=[]), AWAY
    return visit.render(
        "news.html", items=found.items, next=found.next, away=away, first=not visit.query.text("cursor")
    )


async def stream(visit: Visit) -> Response:
    """Server-sent events: each item as the list shows it."""
    if visit.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    token = await visit.token()

    async def events() -> Events:
        async for item in visit.deps.news.watch(token, after=last_position(visit.request)):
            shown = rendering.render("parts/news_item.html", item=item, fresh=True)
            yield event("item", shown, item.position)

    async def may_read() -> None:
        # As long as the session is there, and its sign-in goes on.
        await visit.identify()
        await visit.token()

    return visit.deps.streams.response(visit.request, visit.user.user_id, events(), may_read)


ROUTES = [page("/news", get=index), page("/news/stream", get=stream, streamed=True)]
