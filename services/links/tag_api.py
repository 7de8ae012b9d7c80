"""Requests about the caller's tags; a tag travels in the query or body, since it may contain a slash."""

from __future__ import annotations

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest, Conflict, NotFound
from services.kit.page import Page
from services.links import domain, tags, urls
from services.links.api import BULK_DEADLINE_S, Deps
from services.links.problems import InvalidField, fields_checked
from services.links.queries import SuggestionQuery, TagQuery, TagsToDelete
from services.links.tags import Merge, Rename, Suggestions, TagCount, TagPosition, TagsChanged


async def list_tags(deps: Deps, principal: Principal, query: TagQuery) -> Page[TagCount]:
    """The caller's tags with how many links each has."""
    after = None if query.cursor is None else page.decode(TagPosition, query.cursor)
    if after is not None and after.order != query.order:
        raise BadRequest("`cursor` belongs to another order", parameter="cursor")
    prefix = query.prefix.replace("\0", "").lower()
    found, end = await deps.tags.page(principal.user_id, prefix, query.order, after, query.limit)
    return Page(items=found, next=None if end is None else page.encode(end))


async def suggest_tags(deps: Deps, principal: Principal, query: SuggestionQuery) -> Suggestions:
    """Tags of the caller's own that may fit: by words, by site, by what stands beside the chosen ones."""
    with fields_checked():
        chosen = domain.normalise_tags(query.tag, "/tag")
    try:
        url: str | None = urls.normalise_url(query.url)
    except urls.InvalidUrl:
        url = None
    found = await deps.tags.suggest(
        principal.user_id,
        words=tags.words(url or "", query.title.replace("\0", "")),
        host=None if url is None else urls.host_of(url),
        chosen=chosen,
        limit=query.limit,
    )
    return Suggestions(found)


async def rename_tag(deps: Deps, principal: Principal, body: Rename) -> TagsChanged:
    """Rename a tag on all links; a name that exists is a conflict (merge says what is meant then)."""
    with fields_checked():
        tag, to = tags.renaming(body)
    return TagsChanged(await deps.tags.rename(principal.user_id, tag, to), to)


async def merge_tags(deps: Deps, principal: Principal, body: Merge) -> TagsChanged:
    """Replace several tags by one; a link that has both keeps it once."""
    with fields_checked():
        gone, into = tags.merging(body)
    return TagsChanged(await deps.tags.replace(principal.user_id, gone, into), into)


async def delete_tags(deps: Deps, principal: Principal, query: TagsToDelete) -> TagsChanged:
    """Take tags off all links; the links stay."""
    with fields_checked():
        gone = [domain.one_tag(tag, f"/tag/{position}") for position, tag in enumerate(query.tag)]
    return TagsChanged(await deps.tags.replace(principal.user_id, gone, None), None)


ENDPOINTS = (
    Endpoint(method="GET", path="/api/v1/tags", handler=list_tags, access=Access.READ, tag="tags"),
    Endpoint(
        method="GET",
        path="/api/v1/tags/suggestions",
        handler=suggest_tags,
        access=Access.READ,
        raises=(InvalidField,),
        tag="tags",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/tags/rename",
        handler=rename_tag,
        access=Access.WRITE,
        raises=(InvalidField, NotFound, Conflict),
        deadline_s=BULK_DEADLINE_S,
        tag="tags",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/tags/merge",
        handler=merge_tags,
        access=Access.WRITE,
        raises=(InvalidField, NotFound),
        deadline_s=BULK_DEADLINE_S,
        tag="tags",
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/tags",
        handler=delete_tags,
        access=Access.WRITE,
        raises=(InvalidField, NotFound),
        deadline_s=BULK_DEADLINE_S,
        tag="tags",
    ),
)
