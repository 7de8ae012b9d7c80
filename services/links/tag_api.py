"""Requests about the caller's tags; a tag travels in the query or body, since it may contain a slash."""

from __future__ import annotations

from services.kit import page
from services.kit.auth import Principal
from services.kit.endpoint import Access, Created, Endpoint, Reply
from services.kit.errors import BadRequest, Conflict, NotFound
from services.kit.page import Page
from services.links import domain, tags, urls
from services.links.api import BULK_DEADLINE_S, Deps
from services.links.problems import InvalidField, fields_checked
from services.links.queries import SuggestionQuery, TagEntryQuery, TagQuery, TagsToDelete
from services.links.tags import (
    Merge,
    NewTag,
    Rename,
    Suggestions,
    TagCount,
    TagEntries,
    TagEntry,
    TagPosition,
    TagsChanged,
)


async def list_tags(deps: Deps, principal: Principal, query: TagQuery) -> Page[TagCount]:
    """The caller's tags with how many links each has."""
    after = None if query.cursor is None else page.decode(TagPosition, query.cursor)
    if after is not None and after.order != query.order:
        raise BadRequest("`cursor` belongs to another order", parameter="cursor")
    prefix = domain.composed(query.prefix.replace("\0", "").lower())
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
    """Rename a tag on all links; a name that exists is a conflict (merge says what is meant then).

    The same tag in another case is another spelling of it.
    """
    with fields_checked():
        tag, to = tags.renaming(body)
    return TagsChanged(await deps.tags.rename(principal.user_id, tag, to, domain.tag_name(body.to)), to)


async def merge_tags(deps: Deps, principal: Principal, body: Merge) -> TagsChanged:
    """Replace several tags by one; a link that has both keeps it once."""
    with fields_checked():
        gone, into = tags.merging(body)
    name = domain.tag_name(body.into)
    return TagsChanged(await deps.tags.replace(principal.user_id, gone, into, name), into)


async def delete_tags(deps: Deps, principal: Principal, query: TagsToDelete) -> TagsChanged:
    """Take tags off all links; the links stay."""
    with fields_checked():
        gone = [domain.one_tag(tag, f"/tag/{position}") for position, tag in enumerate(query.tag)]
    return TagsChanged(await deps.tags.replace(principal.user_id, gone, None), None)


async def list_entries(deps: Deps, principal: Principal, query: TagEntryQuery) -> TagEntries:
    """The caller's tags by id, with the spelling of each; paged by number, as other programs do."""
    count, found = await deps.tags.entries(
        principal.user_id, unused=query.unused, limit=query.limit, offset=query.offset
    )
    return TagEntries(count, found)


async def get_entry(deps: Deps, principal: Principal, tag_id: int) -> TagEntry:
    """One of the caller's tags by its id."""
    return await deps.tags.entry(principal.user_id, tag_id)


async def keep_tag(deps: Deps, principal: Principal, body: NewTag) -> Created[TagEntry] | Reply[TagEntry]:
    """Make a tag that no link needs to have; one that exists already is answered as it is (200)."""
    with fields_checked():
        tag = domain.one_tag(body.name, "/name")
    entry, is_new = await deps.tags.keep(principal.user_id, tag, domain.tag_name(body.name))
    if is_new:
        return Created(entry, f"/api/v1/tags/{entry.id}")
    return Reply(entry, status=200)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/tags",
        handler=keep_tag,
        access=Access.WRITE,
        raises=(InvalidField,),
        tag="tags",
    ),
    Endpoint(method="GET", path="/api/v1/tags/entries", handler=list_entries, access=Access.READ, tag="tags"),
    Endpoint(
        method="GET",
        path="/api/v1/tags/{tag_id:int}",
        handler=get_entry,
        access=Access.READ,
        raises=(NotFound,),
        tag="tags",
    ),
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
