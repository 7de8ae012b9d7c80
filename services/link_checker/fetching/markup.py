"""Title, description and preview image of a page, in one pass over its text.

A scanner of its own, since what strangers write must not take more than linear time: Python's `html.parser`
goes over the rest of the text again for each tag or comment that is never closed.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.link_checker.fetching import targets
from services.link_checker.fetching.errors import Refused
from services.link_checker.fetching.targets import Target

# As the links service bounds them.
MAX_TITLE = 1_000
MAX_DESCRIPTION = 2_000

# Their content is no markup, or (svg) has titles of its own.
_OPAQUE = frozenset(
    ("script", "style", "textarea", "xmp", "iframe", "noembed", "noframes", "svg", "template")
)
_TAG = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40})|[!?/])")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]{1,60})\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+))")
_BLANKS = re.compile(r"\s+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
MAX_TAG = 8_192

_TITLES = ("og:title", "twitter:title")
_DESCRIPTIONS = ("description", "og:description", "twitter:description")
_IMAGES = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src")


@dataclass(frozen=True)
class Page:
    """What a page says of itself; `image` is an address that nobody has asked yet."""

    title: str | None = None
    description: str | None = None
    image: str | None = None


def read(text: str, base: Target) -> Page:
    """The page whose text this is (or begins with)."""
    title: str | None = None
    said: dict[str, str] = {}
    for name, attributes, content in _elements(text):
        if name == "title" and title is None:
            title = _clean(content, MAX_TITLE)
        elif name == "meta":
            found = {key.lower(): value for key, value in _attributes(attributes)}
            key = (found.get("property") or found.get("name") or "").strip().lower()
            if key and key not in said and (value := _clean(found.get("content", ""), MAX_DESCRIPTION)):
                said[key] = value
    return Page(
        title=title or _first(said, _TITLES, MAX_TITLE),
        description=_first(said, _DESCRIPTIONS, MAX_DESCRIPTION),
        image=_address(_first(said, _IMAGES, targets.MAX_URL_BYTES), base),
    )


def _elements(text: str) -> Iterator[tuple[str, str, str]]:
    """Start tags of `title` and `meta` with their attributes and, of a title, its content."""
    position = 0
    while (tag := _TAG.search(text, position)) is not None:
        if tag[1]:
            _, position = _find(text, "-->", tag.end())
            continue
        position = end = _tag_end(text, tag.end())
        name = (tag[3] or "").lower()
        if tag[2] or not name:
            continue
        if name in _OPAQUE:
            _, position = _find(text, f"</{name}", end)
        elif name == "title":
            closing, position = _find(text, "</title", end)
            yield name, "", text[end : min(closing, end + MAX_TAG)]
        elif name == "meta":
            yield name, text[tag.end() : end], ""


def _find(text: str, mark: str, start: int) -> tuple[int, int]:
    """Where the next `mark` begins and ends, whatever its case; the text's end when there is none."""
    found = re.compile(re.escape(mark), re.IGNORECASE).search(text, start)
    return (len(text), len(text)) if found is None else found.span()


def _tag_end(text: str, start: int) -> int:
    """Behind the tag's `>`; quotes hide one, as far as a tag may be long.

    A tag that does not end by then ends there: nothing is ever looked at twice.
    """
    quote = ""
    longest = min(len(text), start + MAX_TAG)
    for position in range(start, longest):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ">":
            return position + 1
    return longest


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for found in _ATTRIBUTE.finditer(text):
        yield found[1], found[2] or found[3] or found[4] or ""


def _clean(text: str, limit: int) -> str | None:
    """Text as a person reads it, within bounds; None when nothing is left."""
    text = text[: 8 * limit]
    with contextlib.suppress(ValueError):  # a reference to a character of thousands of digits
        text = html.unescape(text)
    text = _BLANKS.sub(" ", text)
    text = _UNPRINTABLE.sub("", text).strip()
    text = text.encode("utf-8", "replace").decode()
    return text[:limit].strip() or None


def _first(said: dict[str, str], keys: tuple[str, ...], limit: int) -> str | None:
    return next((said[key][:limit] for key in keys if key in said), None)


def _address(text: str | None, base: Target) -> str | None:
    """An address in the page, made absolute; None when it could not be visited anyway."""
    if text is None:
        return None
    try:
        return targets.join(base, text).url
    except Refused:
        return None
