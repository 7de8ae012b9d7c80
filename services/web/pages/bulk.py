"""Many links at once: tags, flags, deletion."""

from __future__ import annotations

from starlette.responses import Response

from services.kit.errors import BadRequest, NotFound, Unprocessable
from services.links.client import (
    AddTags,
    Bulk,
    BulkReport,
    Delete,
    Link,
    ListingQuery,
    Operation,
    RemoveTags,
    SetFlags,
)
from services.web.failures import said
from services.web.page import page
from services.web.pages.links import tags_of
from services.web.rendering import count
from services.web.visit import Visit, local_path

# What a form may ask for, with the words of the confirmation.
FLAGS = {
    "private": SetFlags(private=True),
    "public": SetFlags(private=False),
    "unread": SetFlags(to_read=True),
    "read": SetFlags(to_read=False),
}
# So many links a confirmation names.
NAMED = 5


async def bulk(visit: Visit) -> Response:
    """Do it to every link that is ticked; a deletion is asked about first."""
    form = visit.form
    ids, action = tuple(dict.fromkeys(form.numbers("id"))), form.text("action")
    back = local_path(form.text("back"))
    if not ids:
        return visit.redirect(back, "No link is ticked.")
    if action == "delete" and not form.flag("sure"):
        return visit.render("links/bulk_delete.html", ids=ids, links=await _first(visit, ids), back=back)
    try:
        report = await visit.links.bulk(Bulk((_operation(action, ids, form.text("tags")),)))
    except (Unprocessable, BadRequest) as error:
        return visit.redirect(back, said(error))
    except NotFound:
        return visit.redirect(back, "One of these links is gone meanwhile; nothing was changed.")
    return visit.redirect(back, _told(report))


async def _first(visit: Visit, ids: tuple[int, ...]) -> list[Link]:
    """The first few of these links, in their order."""
    asked = list(ids[:NAMED])
    found = await visit.links.listing(ListingQuery(id=asked, limit=NAMED, counted=False))
    return sorted((listed.link for listed in found.items), key=lambda link: asked.index(link.id))


def _operation(action: str, ids: tuple[int, ...], tags: str) -> Operation:
    if action == "delete":
        return Delete(ids=ids)
    if action in FLAGS:
        flags = FLAGS[action]
        return SetFlags(ids=ids, private=flags.private, to_read=flags.to_read)
    if action in ("add_tags", "remove_tags"):
        if not tags_of(tags):
            raise BadRequest("enter one tag or more")
        kind = AddTags if action == "add_tags" else RemoveTags
        return kind(ids=ids, tags=tags_of(tags))
    raise BadRequest("choose what to do")


def _told(report: BulkReport) -> str:
    if report.deleted:
        return f"{count(report.deleted, 'link is', 'links are')} deleted."
    if not report.changed:
        return "Nothing had to be changed."
    return f"{count(report.changed, 'link is', 'links are')} changed."


ROUTES = [page("/links/bulk", post=bulk)]
