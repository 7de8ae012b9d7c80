"""The parameters of a list of bookmarks, put into a query of ours; no I/O."""

from __future__ import annotations

import datetime as dt

import msgspec

from services.links.client import InvalidUrl, ListingOrder, ListingQuery, normalise_url
from services.web.linkding.bundle import Bundle
from services.web.linkding.call import Call
from services.web.linkding.language import UnreadableQuery, anywhere, quoted, translated
from services.web.programs import times

ORDERS: dict[str, ListingOrder] = {
    "added_desc": "newest",
    "added_asc": "oldest",
    "modified_desc": "updated",
    "modified_asc": "least-updated",
    "title_asc": "title",
    "title_desc": "title-descending",
}
_YES_NO: dict[str, bool] = {"yes": True, "no": False}
_LATER = dt.timedelta(microseconds=1)
# A longer address is looked for as a whole only.
MAX_ADDRESS_PART = 500


def listing_query(call: Call, bundle: Bundle | None) -> ListingQuery:
    """What a list of bookmarks asks for, but its place; raises UnreadableQuery."""
    unread, shared = _YES_NO.get(call.given("unread").lower()), _YES_NO.get(call.given("shared").lower())
    query = ListingQuery(
        order=ORDERS.get(call.given("sort").lower(), "newest"),
        to_read=unread,
        private=None if shared is None else not shared,
        since=_after(call.given("added_since")),
        updated_since=_after(call.given("modified_since")),
    )
    terms = [] if bundle is None else [_terms(bundle)]
    asked = call.given("q")
    address = _address(asked)
    if address is not None and len(asked) > MAX_ADDRESS_PART:
        query = msgspec.structs.replace(query, url=address)
    elif address is not None:
        query = msgspec.structs.replace(query, first=None if bundle else address)
        terms.append(anywhere(asked))
    else:
        terms.append(translated(asked))
    written = " ".join(f"({term})" for term in terms if term)
    return msgspec.structs.replace(query, q=written or None)


def _terms(bundle: Bundle) -> str:
    """A saved search in our language."""
    parts = []
    if search := translated(bundle.search):
        parts.append(f"({search})")
    if some := bundle.any_tags.split():
        parts.append("(" + " or ".join(map(_tag, some)) + ")")
    parts += map(_tag, bundle.all_tags.split())
    parts += [f"not {_tag(tag)}" for tag in bundle.excluded_tags.split()]
    if bundle.filter_unread != "off":
        parts.append("is:unread" if bundle.filter_unread == "yes" else "is:read")
    if bundle.filter_shared != "off":
        parts.append("is:public" if bundle.filter_shared == "yes" else "is:private")
    return " ".join(parts)


def _tag(name: str) -> str:
    return f"tag:{quoted(name.lstrip('#') or name)}"


def _address(text: str) -> str | None:
    """The normal form of a query that is one whole address."""
    if "://" not in text or any(sign.isspace() for sign in text):
        return None
    try:
        return normalise_url(text)
    except InvalidUrl:
        return None


def _after(text: str) -> dt.datetime | None:
    """The first moment later than the one that is written; None for what cannot be read."""
    when = times.parse(text) if text else None
    return None if when is None else when + _LATER


__all__ = ["ORDERS", "UnreadableQuery", "listing_query"]
