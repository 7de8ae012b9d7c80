"""The tags of one's links: look, rename, merge, delete."""

from __future__ import annotations

from starlette.responses import Response

from services.kit.errors import NotFound, Problem, Unauthenticated, Unavailable
from services.links.client import Merge, Rename, TagCount, TagQuery, tag_name
from services.web.failures import said
from services.web.page import page
from services.web.pages.links import tags_of
from services.web.rendering import count
from services.web.visit import Visit

PAGE_TAGS = 200
GONE = "One of these tags is gone meanwhile; nothing was changed."


async def index(visit: Visit) -> Response:
    """The tags; htmx gets the list alone."""
    prefix = visit.query.text("prefix")
    by_name = visit.query.text("order") == "tag"
    found = await visit.links.tags(
        TagQuery(
            prefix=prefix.lower(),
            order="tag" if by_name else "count",
            limit=PAGE_TAGS,
            cursor=visit.query.text("cursor") or None,
        )
    )
    template = "tags/list.html" if visit.is_partial else "tags/index.html"
    return visit.render(
        template, tags=found.items, next=found.next, prefix=prefix, order="tag" if by_name else "count"
    )


async def one(visit: Visit) -> Response:
    """What can be done with a tag."""
    return await _one(visit)


async def _one(visit: Visit, problem: str = "", status: int = 200, **sent: str) -> Response:
    tag = visit.request.path_params["tag"]
    found = await _counted(visit, tag)
    if found is None:
        return visit.render("tags/missing.html", NotFound.status, tag=tag)
    return visit.render("tags/one.html", status, tag=found.tag, links=found.links, problem=problem, sent=sent)


async def _counted(visit: Visit, tag: str) -> TagCount | None:
    """The tag with the number of its links; None when no link has it."""
    stored = tag_name(tag).lower()
    # By name, what begins with the tag begins with the tag itself.
    first = (await visit.links.tags(TagQuery(prefix=stored, order="tag", limit=1))).items
    return first[0] if first and first[0].tag == stored else None


async def rename(visit: Visit) -> Response:
    """A new name; one that is taken already makes the two tags one, if the form says so."""
    tag, to = visit.request.path_params["tag"], visit.form.text("to")
    try:
        if visit.form.flag("merge"):
            done = await visit.links.merge_tags(Merge((tag,), to))
        else:
            done = await visit.links.rename_tag(Rename(tag, to))
    except (Unauthenticated, Unavailable):
        raise
    except Problem as error:
        sentence = said(error)
        if error.status == 409:
            sentence = f"You have a tag “{to}” already. Tick “merge” to make the two one."
        return await _one(visit, sentence, error.status, to=to)
    return visit.redirect("/tags", f"{count(done.links, 'link has', 'links have')} the tag “{done.tag}” now.")


async def merge(visit: Visit) -> Response:
    """Several ticked tags become one."""
    tags, into = visit.form.texts("tag"), visit.form.text("into")
    if not tags:
        return visit.redirect("/tags", "No tag is ticked.")
    if visit.form.text("action") == "delete":
        if not visit.form.flag("sure"):
            return visit.render("tags/delete.html", tags=tags)
        try:
            done = await visit.links.delete_tags(*tags)
        except NotFound:
            return visit.redirect("/tags", GONE)
        return visit.redirect("/tags", f"Removed from {count(done.links, 'link')}.")
    if not tags_of(into):
        return visit.redirect("/tags", "Enter the tag that the ticked ones are to become.")
    try:
        done = await visit.links.merge_tags(Merge(tuple(tags), into))
    except (Unauthenticated, Unavailable):
        raise
    except NotFound:
        return visit.redirect("/tags", GONE)
    except Problem as error:
        return visit.redirect("/tags", said(error))
    return visit.redirect("/tags", f"{count(done.links, 'link has', 'links have')} the tag “{done.tag}” now.")


ROUTES = [
    page("/tags", get=index, post=merge),
    page("/tags/{tag:path}", get=one, post=rename),
]
