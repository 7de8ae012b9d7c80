"""What is asked in a measurement: list, search and save, of whichever address."""

from __future__ import annotations

import itertools
import json
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.load import Target, get, post
from tests.bench.running import Account

LINKS = "/api/v1/links"
LIST = f"{LINKS}?limit=20"
SEARCH = f"{LINKS}/search?q=page"
NAMES = ("list", "search", "save")


@dataclass(frozen=True)
class Callers:
    """Who asks: who saves is somebody else, or what a list and a search cost would grow as they run."""

    reader: Account
    saver: Account


@dataclass(frozen=True)
class Place:
    """Where the interface is reached: `host` is what requests name, `address` where they go."""

    name: str
    host: str
    address: tuple[str, int]
    tls: ssl.SSLContext | None = None


def edge(name: str, url: str, trust: ssl.SSLContext) -> Place:
    """The public address of an installation."""
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return Place(name, parts.netloc, (parts.hostname, parts.port), trust)


def process(name: str, port: int) -> Place:
    """A process of the service without the mesh."""
    return Place(name, "links", ("127.0.0.1", port))


def target(operation: str, place: Place, callers: Callers) -> Target:
    """The operation as it is asked at a place; a save saves another URL each time."""
    name = f"{operation}, {place.name}"
    if operation == "save":
        requests = _saves(place.host, callers.saver.token)
        return Target(name, *place.address, lambda: next(requests), place.tls)
    path = {"list": LIST, "search": SEARCH}[operation]
    return Target(name, *place.address, get(path, place.host, _headers(callers.reader.token)), place.tls)


def _saves(host: str, token: str) -> Iterator[bytes]:
    run = secrets.token_hex(4)
    for number in itertools.count():
        link = {"url": f"https://example.org/{run}/{number}", "title": f"Saved {number}", "tags": ["bench"]}
        yield post(LINKS, host, _headers(token), json.dumps(link).encode())


def _headers(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]
