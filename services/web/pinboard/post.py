"""A link as this interface shows it, and what a program sends back of it; no I/O."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

from services.links.client import Link, Listed
from services.web.programs import times

MAX_TITLE_CHARACTERS = 255

# What XML 1.0 cannot carry, not even as a reference.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Post:
    """The fields in the order of the XML attributes; all are texts, and none is ever missing."""

    href: str
    time: str
    description: str
    extended: str
    tags: str
    hash: str
    meta: str
    shared: str
    toread: str


def shown(listed: Listed) -> Post:
    """A link as a post; `meta` is made of all the rest, so it changes whenever anything does."""
    link = listed.link
    values = (
        link.url,
        times.written(link.created_at),
        link.title,
        link.note,
        " ".join(listed.tag_names),
        md5(link.url),
    )
    flags = (yes_or_no(not link.private), yes_or_no(link.to_read))
    return Post(*values, md5("\0".join((*values, *flags))), *flags)


def md5(text: str) -> str:
    """32 hexadecimal digits; programs compute the same of an address, so it must be this one."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def xml_text(text: str) -> str:
    """Without the characters that XML cannot carry."""
    return _NOT_IN_XML.sub("", text)


def kept_title(sent: str, before: Link | None) -> str | None:
    """The title to store, cut; None where the program sends back the one it was shown."""
    one_line = " ".join(sent.split())
    if before is not None and _is_echo(one_line, before.title):
        return None
    return one_line[:MAX_TITLE_CHARACTERS].rstrip()


def kept_note(sent: str, before: Link | None) -> str | None:
    """The note to store; None where the program sends back the one it was shown."""
    return None if before is not None and _is_echo(sent, before.note) else sent


def kept_time(sent: dt.datetime | None, before: Link | None, now: dt.datetime) -> dt.datetime | None:
    """The time to store; None for now, or for the time it has: a program knows that in whole seconds only."""
    if sent is None:
        return None
    when = min(sent, now) if sent > now + dt.timedelta(minutes=10) else sent
    is_echo = before is not None and times.whole(before.created_at) == when
    return None if is_echo else when


def _is_echo(sent: str, shown_before: str) -> bool:
    return sent == shown_before or sent == xml_text(shown_before)
