"""Requests about tags."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from services.kit.errors import NotFound
from services.links.client import TagEntryQuery
from services.web.linkding import answers
from services.web.linkding.call import Call, answer, done
from services.web.linkding.fields import BLANK, MAX_TAG_CHARACTERS, REQUIRED, InvalidFields, split_tags, text


async def list_tags(call: Call) -> Response:
    async def read(limit: int, offset: int) -> tuple[int, Sequence[dict[str, Any]]]:
        found = await call.links.tag_entries(TagEntryQuery(limit=limit, offset=offset))
        return found.count, list(map(answers.tag, found.items))

    return await call.page(read)


async def get_tag(call: Call) -> Response:
    return answer(answers.tag(await call.links.tag_entry(call.number)))


async def create(call: Call) -> Response:
    """A tag of its own; the existing one, where there is one of this name."""
    name = text(await call.body(), "name")
    if name is UNSET:
        raise InvalidFields(name=REQUIRED)
    tags = split_tags([name.replace(",", " ")])
    if not tags:
        raise InvalidFields(name=BLANK)
    if len(tags[0]) > MAX_TAG_CHARACTERS:
        raise InvalidFields(name=f"Ensure this field has no more than {MAX_TAG_CHARACTERS} characters.")
    return answer(answers.tag(await call.links.keep_tag(tags[0])), 201)


async def delete(call: Call) -> Response:
    """Take a tag off all bookmarks."""
    entry = await call.links.tag_entry(call.number)
    with contextlib.suppress(NotFound):  # somebody was faster
        await call.links.delete_tags(entry.tag)
    return done()
