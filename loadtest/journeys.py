"""What people and programs do, each a journey of a few requests; how often stands in `mix.yaml`.

A journey reads what it is answered: the second page is the first one's `next`, a tag one that somebody has.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping

from loadtest import world
from loadtest.accounts import Account
from loadtest.exchange import Journey, Request, get, send
from loadtest.world import World

LINKS = "/api/v1/links"
# Shares of readers who go on; nobody has published them for bookmarks, so they are guesses on the low side.
READS_ON, LOOKS_AT_TAG, LOOKS_AT_NEWS, EDITS, THROWS_AWAY = 0.4, 0.3, 0.5, 0.2, 0.5


def reader(who: Account, _: World, dice: random.Random) -> Journey:
    """Looks at the newest links, sometimes further back, at a tag, at the news."""
    page = yield get("list links", LINKS, who.headers, limit="20")
    cursor = page.json().get("next")
    if cursor and dice.random() < READS_ON:
        yield get("list links, next page", LINKS, who.headers, limit="20", cursor=str(cursor))
    if dice.random() < LOOKS_AT_TAG:
        yield get("list links of a tag", LINKS, who.headers, limit="20", tag=world.a_tag(dice))
    if dice.random() < LOOKS_AT_NEWS:
        yield get("read news", "/api/v1/news", who.headers, limit="20")


def saver(who: Account, _: World, dice: random.Random) -> Journey:
    """Asks which tags fit, saves a link, sometimes changes it."""
    link = world.link(dice)
    yield get("suggest tags", "/api/v1/tags/suggestions", who.headers, title=link["title"])
    headers = {**who.headers, "idempotency-key": secrets.token_hex(12)}
    saved = yield send("save a link", "POST", LINKS, headers, link)
    link_id = saved.json().get("id")
    if isinstance(link_id, int) and dice.random() < EDITS:
        change = {"to_read": not link["to_read"]}
        yield send("change a link", "PATCH", f"{LINKS}/{link_id}", who.headers, change)


def keeper(who: Account, _: World, dice: random.Random) -> Journey:
    """Saves one of a few links, which it has or has not, often to delete it: they never become more."""
    saved = yield send("save a link again", "POST", LINKS, who.headers, world.same_link(dice))
    link_id = saved.json().get("id")
    if isinstance(link_id, int) and dice.random() < THROWS_AWAY:
        yield send("delete a link", "DELETE", f"{LINKS}/{link_id}", who.headers)


def searcher(who: Account, _: World, dice: random.Random) -> Journey:
    """Looks for something, sometimes beyond the first page."""
    words = world.words_to_look_for(dice)
    page = yield get("search", f"{LINKS}/search", who.headers, q=words, limit="20")
    cursor = page.json().get("next")
    if cursor and dice.random() < READS_ON:
        query = {"q": words, "limit": "20", "cursor": str(cursor)}
        yield get("search, next page", f"{LINKS}/search", who.headers, **query)


def follower(who: Account, around: World, dice: random.Random) -> Journey:
    """Is suggested people, follows one, reads whom it follows and what is new."""
    yield get("suggest people", "/api/v1/suggestions", who.headers, limit="10")
    other = around.followed(dice)
    if other.username != who.username:
        yield send("follow", "PUT", f"/api/v1/following/{other.username}", who.headers)
    yield get("list following", "/api/v1/following", who.headers, limit="20")
    yield get("read news", "/api/v1/news", who.headers, limit="20")


def importer(who: Account, around: World, dice: random.Random) -> Journey:
    """Brings a browser's file of bookmarks and looks how many there are now."""
    who = around.importer(who, dice)
    path = f"/api/v1/imports/{secrets.token_hex(12)}"
    headers = {**who.headers, "content-type": "text/html"}
    who.importing = True
    try:
        yield Request("import a file", "PUT", path, headers, world.bookmark_file(dice))
    finally:
        who.importing = False
    yield get("count links", f"{LINKS}/counts", who.headers)


def pinboard(who: Account, _: World, dice: random.Random) -> Journey:
    """A program made for Pinboard: is there anything new, a post, the latest posts, the tags."""
    headers = who.program_headers
    yield get("pinboard: update", "/v1/posts/update", headers, format="json")
    link = world.link(dice)
    post = {"url": link["url"], "description": link["title"], "tags": " ".join(link["tags"])}
    yield get("pinboard: add", "/v1/posts/add", headers, format="json", **post)
    yield get("pinboard: posts", "/v1/posts/all", headers, format="json", start="0", results="50")
    yield get("pinboard: tags", "/v1/tags/get", headers, format="json")


JOURNEYS: Mapping[str, Callable[[Account, World, random.Random], Journey]] = {
    "reader": reader,
    "saver": saver,
    "keeper": keeper,
    "searcher": searcher,
    "follower": follower,
    "importer": importer,
    "pinboard": pinboard,
}
