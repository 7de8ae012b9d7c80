"""Methods about the account, and its notes: the second texts that links have, read as notes of their own."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

from starlette.responses import Response

from services.kit.errors import Forbidden, NotFound
from services.kit.settings import Secret
from services.links.client import Listed, ListingQuery
from services.users.client import NewApiToken
from services.web.pinboard.answers import Note, Notes, Said
from services.web.pinboard.call import Call

# By this name the owner finds the token that programs get for the password.
TOKEN_NAME = "bookmark programs (Pinboard)"  # noqa: S105 - a name
ID_DIGITS = 20
PAGE = 500


async def secret(call: Call) -> Response:
    """The secret part of the address of the private feeds.

    For the password they are made if there are none. Who shows a token cannot make any, and gets a text that
    nobody else can know and that is the same each time.
    """
    caller, feeds = call.caller, call.deps.private_feeds
    key = await feeds.key(caller.user_id)
    if key is None and caller.by_password:
        await feeds.renew(caller.access_token, caller.user_id, caller.name)
        key = await feeds.key(caller.user_id)
    return call.answer(Said(key or _own(call, "feed secret")[:ID_DIGITS]))


async def api_token(call: Call) -> Response:
    """The secret part of the token: the one shown, or for a password the one that programs share.

    The same Idempotency-Key makes the same token again, so it need not be kept anywhere.
    """
    caller = call.caller
    if caller.api_token is not None:
        return call.answer(Said(caller.api_token.reveal()))
    if not caller.by_password:
        raise Forbidden("show the password for this")
    new = NewApiToken(name=TOKEN_NAME, scopes=["read", "write"])
    made = await call.deps.users.create_token(caller.access_token, new, key=_own(call, "api token"))
    return call.answer(Said(made.token.reveal()))


async def list_notes(call: Call) -> Response:
    """All notes, the newest first, without their texts."""
    found: list[Note] = []
    offset = 0
    while True:
        listing = await call.links.listing(ListingQuery(with_notes=True, offset=offset, limit=PAGE))
        found += [_note(listed) for listed in listing.items]
        offset += len(listing.items)
        if not listing.items or offset >= listing.count:
            return call.answer(Notes(found))


async def get_note(call: Call, note_id: str) -> Response:
    """One note with its text."""
    if len(note_id) == ID_DIGITS and note_id.isascii() and note_id.isdigit():
        query = ListingQuery(id=[max(1, min(int(note_id), 2**63 - 1))], with_notes=True, counted=False)
        for listed in (await call.links.listing(query)).items:
            return call.answer(_note(listed))
    raise NotFound(f"no note is {note_id}")


def _note(listed: Listed) -> Note:
    link = listed.link
    return Note(
        id=f"{link.id:0{ID_DIGITS}}",
        hash=hashlib.sha1(link.notes.encode(), usedforsecurity=False).hexdigest()[:ID_DIGITS],
        title=link.title or link.url,
        length=len(link.notes),
        created_at=_written(link.created_at),
        updated_at=_written(link.updated_at),
        text=link.notes,
    )


def _written(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "seconds")


def _own(call: Call, purpose: str) -> str:
    """A text for the caller and a purpose that only this installation can make."""
    key: Secret = call.deps.settings.cookie_key
    text = f"delinkcious web pinboard {purpose}: {call.caller.user_id}"
    return hmac.digest(key.reveal().rpartition(",")[2].encode(), text.encode(), "sha256").hex()
