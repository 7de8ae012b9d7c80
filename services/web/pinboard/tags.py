"""Methods about tags."""

from __future__ import annotations

from starlette.responses import Response

from services.kit.errors import BadRequest, Conflict, NotFound, Unprocessable
from services.links.client import Merge, Rename, TagEntryQuery
from services.web.pinboard.answers import Said, Tags
from services.web.pinboard.call import Call

PAGE = 5_000
WRONG = Said("something went wrong")


async def get(call: Call) -> Response:
    """All tags that a post has, with how many have each."""
    counts: dict[str, tuple[str, int]] = {}
    offset = 0
    while True:
        page = await call.links.tag_entries(TagEntryQuery(limit=PAGE, offset=offset, unused=False))
        counts |= {entry.tag: (entry.name, entry.links) for entry in page.items}
        offset += PAGE
        if offset >= page.count:
            break
    return call.answer(Tags(dict(counts[tag] for tag in sorted(counts))))


async def delete(call: Call) -> Response:
    """Take a tag off all posts; an unknown one is off already."""
    tag = call.parameters.text("tag")
    if not tag:
        return call.answer(Said("missing tag"))
    try:
        await call.links.delete_tags(tag)
    except NotFound:
        pass
    except (Unprocessable, BadRequest):
        return call.answer(WRONG)
    return call.answer(Said())


async def rename(call: Call) -> Response:
    """Give a tag another name; one that exists already takes its posts in."""
    old, new = call.parameters.text("old"), call.parameters.text("new")
    if not old or not new:
        return call.answer(Said("missing tag"))
    try:
        try:
            await call.links.rename_tag(Rename(old, new))
        except Conflict:
            await call.links.merge_tags(Merge((old,), new))
    except NotFound:
        pass
    except (Unprocessable, BadRequest):
        return call.answer(WRONG)
    return call.answer(Said())
