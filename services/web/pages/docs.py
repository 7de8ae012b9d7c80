"""The interface described: one document for programs, a page for people, and the bookmarklet."""

from __future__ import annotations

import json

from starlette.responses import Response

from services.web import reference
from services.web.page import page
from services.web.visit import Visit

# `{origin}` is where this installation is. The selection becomes the note.
BOOKMARKLET = (
    "javascript:(function(){{var d=document,e=encodeURIComponent,"
    "s=String(window.getSelection?getSelection():'').slice(0,2000);"
    "window.open({address}+'?popup=1&url='+e(location.href)+'&title='+e(d.title)+'&note='+e(s),"
    "'delinkcious','popup,width=520,height=640,scrollbars=yes');}})()"
)


async def openapi(visit: Visit) -> Response:
    """Every service's description, made one."""
    document = await visit.deps.reference.document()
    return Response(
        reference.encoded(document),
        headers={"content-type": "application/json", "access-control-allow-origin": "*"},
    )


async def docs(visit: Visit) -> Response:
    document = await visit.deps.reference.document()
    return visit.render("docs.html", chapters=reference.chapters(document), away=document.get("x-away", []))


async def bookmarklet(visit: Visit) -> Response:
    address = json.dumps(f"{visit.origin}/save").replace("<", "\\u003c")
    return visit.render("bookmarklet.html", bookmarklet=BOOKMARKLET.format(address=address))


ROUTES = [
    page("/openapi.json", get=openapi, public=True),
    page("/docs", get=docs, public=True),
    page("/bookmarklet", get=bookmarklet, public=True),
]
