"""Methods about posts."""

from __future__ import annotations

import datetime as dt

from msgspec import UNSET
from starlette.responses import Response

from services.kit.errors import BadRequest, Conflict, NotFound, Unprocessable
from services.links.client import DaysQuery, Listed, ListingQuery, NewLink, SuggestionQuery
from services.web.pinboard.answers import Dates, Result, Suggested, Updated
from services.web.pinboard.call import Call, address
from services.web.pinboard.post import kept_note, kept_time, kept_title
from services.web.programs import times
from services.web.programs.times import SECOND

MAX_TAG_CHARACTERS = 255
MAX_TAGS = 100
DAY = dt.timedelta(days=1)
RECENT, MOST_RECENT = 15, 100
WRONG, EXISTS = "something went wrong", "item already exists"
# What the links service says of something that no link can have, or for which there is no room.
_REFUSED = (Unprocessable, BadRequest, Conflict)


async def update(call: Call) -> Response:
    """When anything changed; programs ask before they read all."""
    changed_at = (await call.links.counts()).changed_at
    if changed_at is None:
        changed_at = (await call.deps.users.me(call.caller.access_token)).created_at
    return call.answer(Updated(times.written(changed_at)))


async def add(call: Call) -> Response:
    """Save an address, or replace what is saved of it."""
    url, title = call.parameters.text("url"), call.parameters.text("description")
    if not url:
        return call.answer(Result("missing url"))
    if not title:
        return call.answer(Result("must provide title"))
    may_replace = call.parameters.flag("replace") is not False
    try:
        before = await call.post_at(url)
        if before is not None and not may_replace:
            return call.answer(Result(EXISTS))
        await call.links.save(_new_link(call, url, title, before, only_new=not may_replace))
    except Conflict as problem:
        # Either there is no room, or somebody saved it in this very moment.
        return call.answer(Result(WRONG if "limit" in problem.members else EXISTS))
    except _REFUSED:
        return call.answer(Result(WRONG))
    return call.answer(Result())


def _new_link(call: Call, url: str, title: str, before: Listed | None, *, only_new: bool) -> NewLink:
    """What to save; raises BadRequest. What is left out keeps its value."""
    parameters = call.parameters
    tags = parameters.tags("tags")
    if len({tag.lower() for tag in tags}) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARACTERS for tag in tags):
        raise BadRequest("too many tags, or too long ones")
    link = None if before is None else before.link
    kept = kept_title(title, link)
    note = kept_note(parameters.text("extended"), link)
    when = kept_time(parameters.moment("dt"), link, dt.datetime.now(dt.UTC))
    shared, to_read = parameters.flag("shared"), parameters.flag("toread")
    return NewLink(
        url=address(url) if link is None else link.url,
        title=UNSET if kept is None else kept,
        note=UNSET if note is None else note,
        tags=tuple(tags),
        private=UNSET if shared is None else not shared,
        to_read=UNSET if to_read is None else to_read,
        created_at=UNSET if when is None else when,
        only_new=only_new,
    )


async def delete(call: Call) -> Response:
    """Delete the post of an address."""
    url = call.parameters.text("url")
    if not url:
        return call.answer(Result("missing url"))
    try:
        post = await call.post_at(url)
        if post is not None:
            await call.links.delete(post.link.id)
            return call.answer(Result())
    except (NotFound, *_REFUSED):
        pass  # somebody was faster, or no post could have this address
    return call.answer(Result("item not found"))


async def get(call: Call) -> Response:
    """The posts of a day, by default of the last day that has any; or the post of one address."""
    url = call.parameters.text("url")
    if url:
        try:
            return await call.posts(ListingQuery(url=address(url)), 1, date="")
        except _REFUSED:
            return await call.posts(ListingQuery(), 0, date="")
    tags = call.parameters.tags("tag", "tags")
    when = call.parameters.moment("dt")
    if when is None:
        newest = await call.links.listing(ListingQuery(tag=tags, order="posted", limit=1, counted=False))
        if not newest.items:
            return await call.posts(ListingQuery(), 0, date="")
        when = newest.items[0].link.created_at
    start = when.replace(hour=0, minute=0, second=0, microsecond=0)
    return await call.posts(
        ListingQuery(tag=tags, since=max(start, times.EARLIEST), until=start + DAY), None, times.written(when)
    )


async def recent(call: Call) -> Response:
    """The newest posts."""
    count = call.parameters.number("count") or 0
    most = min(count, MOST_RECENT) if count >= 1 else RECENT
    return await call.posts(ListingQuery(tag=call.parameters.tags("tag", "tags")), most, date="")


async def dates(call: Call) -> Response:
    """On which days there are posts, and how many."""
    tags = call.parameters.tags("tag", "tags")
    days = await call.links.days(DaysQuery(tag=tags))
    counts = {day.date.isoformat(): day.links for day in days}
    return call.answer(Dates(call.caller.name, " ".join(tags), counts))


async def everything(call: Call) -> Response:
    """All posts, newest first; `fromdt` and `todt` are not included themselves."""
    parameters = call.parameters
    start, most = parameters.number("start") or 0, parameters.number("results")
    since, until = parameters.moment("fromdt"), parameters.moment("todt")
    query = ListingQuery(
        tag=parameters.tags("tag", "tags"),
        offset=max(0, start),
        since=None if since is None else times.whole(since) + SECOND,
        until=None if until is None else _whole_up(until),
    )
    return await call.posts(query, most if most is not None and most >= 0 else None)


async def suggest(call: Call) -> Response:
    """Tags that may fit an address. What is popular among strangers nobody counts: that list is empty."""
    url = call.parameters.text("url")
    if not url:
        return call.answer(Result("missing url"))
    found = await call.links.suggest_tags(SuggestionQuery(url=url))
    return call.answer(Suggested([], [suggestion.name for suggestion in found]))


def _whole_up(when: dt.datetime) -> dt.datetime:
    whole = times.whole(when)
    return whole if whole == when else whole + SECOND
