"""The services that own links and follows, as far as news asks them: their state, and a real HTTP server."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from services.kit.http import SERVICE_TOKEN
from services.news import domain, events
from services.news.domain import LinkState
from services.news.events import Edge, LinkRemoved, UserDeleted

TOKEN = "the installation's"
START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
# Small, so that a few links are several pages.
PAGE = 7

Told = tuple[str, LinkState | LinkRemoved | Edge | UserDeleted]


@dataclass
class Owners:
    """The truth. What changes it returns the event that tells of it."""

    links: dict[int, LinkState] = field(default_factory=dict)
    edges: dict[tuple[int, int], Edge] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: int = 0  # the status of every answer
    _last_link: int = 0
    _last_version: int = 0

    def save(self, owner: int, *, private: bool = False, minute: int | None = None, title: str = "") -> Told:
        """A new link; `minute` is its time, in minutes after START, by default later than all before."""
        self._last_link += 1
        number = self._last_link
        at = START + dt.timedelta(minutes=number if minute is None else minute)
        url = f"https://example.com/{number}"
        link = LinkState(number, owner, url, title or f"Link {number}", "", ["tag"], private, at, at, 1)
        self.links[number] = link
        return events.LINK_SAVED, link

    def edit(self, number: int, **changes: Any) -> Told:
        link = self.links[number]
        self.links[number] = msgspec.structs.replace(link, version=link.version + 1, **changes)
        return events.LINK_SAVED, self.links[number]

    def remove(self, number: int) -> Told:
        link = self.links.pop(number)
        return events.LINK_REMOVED, LinkRemoved(link.id, link.owner_id, link.version + 1)

    def follow(self, follower: int, followee: int) -> Told:
        self._last_version += 1
        edge = Edge(follower, followee, self._last_version)
        self.edges[follower, followee] = edge
        return events.FOLLOWED, edge

    def unfollow(self, follower: int, followee: int) -> Told:
        self._last_version += 1
        self.edges.pop((follower, followee), None)
        return events.UNFOLLOWED, Edge(follower, followee, self._last_version)

    def delete_user(self, user: int) -> Told:
        self.links = {number: link for number, link in self.links.items() if link.owner_id != user}
        self.edges = {pair: edge for pair, edge in self.edges.items() if user not in pair}
        return events.USER_DELETED, UserDeleted(user)

    def news(self, reader: int, cap: int) -> list[int]:
        """What the reader should see: ids of links, newest first."""
        followed = {followee for follower, followee in self.edges if follower == reader}
        shown = [link for link in self.links.values() if link.owner_id in followed and not link.private]
        return [link.id for link in sorted(shown, key=domain.position, reverse=True)[:cap]]

    def answer(self, path: str, query: dict[str, list[str]]) -> list[Any] | None:
        """The whole list behind an internal address; None for an unknown one."""
        links = list(self.links.values())
        if path == "/internal/v1/links":
            one = query.get("id")
            chosen = [link for link in links if one is None or link.id == int(one[0])]
            return sorted(chosen, key=lambda link: (link.owner_id, link.id))
        if path == "/internal/v1/public-links":
            owned = [link for link in links if not link.private and link.owner_id == int(query["owner"][0])]
            return sorted(owned, key=lambda link: (link.created_at, link.id), reverse=True)
        if path.startswith("/internal/v1/following/"):
            follower = int(path.rpartition("/")[2])
            return sorted(followee for one, followee in list(self.edges) if one == follower)
        if path == "/internal/v1/edges":
            return [edge for _, edge in sorted(self.edges.items())]
        return None


@contextmanager
def served(owners: Owners) -> Iterator[str]:
    """The address at which `owners` answers, on loopback, by a thread."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            owners.asked.append(parts.path)
            items = owners.answer(parts.path, query)
            if owners.failing or items is None or self.headers[SERVICE_TOKEN] != TOKEN:
                self._send(owners.failing or (404 if items is None else 401), b"{}")
                return
            begin = int(query.get("cursor", ["0"])[0])
            more = str(begin + PAGE) if len(items) > begin + PAGE else None
            self._send(200, msgspec.json.encode({"items": items[begin : begin + PAGE], "next": more}))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
