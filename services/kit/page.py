"""Lists in pages: opaque keyset cursors, so that a page does not shift when rows come and go."""

from __future__ import annotations

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

from services.kit.errors import BadRequest

T = TypeVar("T")
Key = TypeVar("Key", bound=msgspec.Struct)

MAX_CURSOR_CHARACTERS = 4_096


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page; `next` is the cursor of the page after it, None on the last one."""

    items: list[T]
    next: str | None = None


def encode(key: msgspec.Struct) -> str:
    """The cursor that stands for `key`: the sort key of the last row shown, as a struct."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode()


def decode(kind: type[Key], cursor: str, *, parameter: str = "cursor") -> Key:
    """The key in a cursor that `encode` made; raises BadRequest naming the parameter for any other text."""
    try:
        if len(cursor) > MAX_CURSOR_CHARACTERS:
            raise ValueError("too long")
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadRequest(f"`{parameter}` is not a cursor of this list", parameter=parameter) from error
