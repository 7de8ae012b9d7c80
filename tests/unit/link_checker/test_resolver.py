"""What the system's resolver is asked, and what its answers are called; no question leaves here."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from services.link_checker.fetching import resolver
from services.link_checker.fetching.errors import NameNotFound, NameUnclear, RefusedAddress
from services.link_checker.fetching.resolver import SystemResolver, public_addresses
from services.link_checker.fetching.targets import read
from tests.unit.link_checker.test_hostile import GUARD


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str, error: Exception | None = None) -> list[str]:
    """Let the system answer so; returns what it is asked."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: None, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        if error is not None:
            raise error
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 0)) for text in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def resolve(host: str) -> list[str]:
    system = SystemResolver()
    try:
        return [str(address) for address in asyncio.run(system.resolve(host))]
    finally:
        system.close()


def test_no_search_domain_is_ever_added(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "93.184.216.34", "93.184.216.34", "2606:4700::1")
    assert resolve("links.delinkcious") == ["93.184.216.34", "2606:4700::1"]
    assert asked == ["links.delinkcious."]


def test_an_address_of_a_link_keeps_its_zone_and_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "fe80::1%eth0")
    with pytest.raises(RefusedAddress, match="zone"):
        asyncio.run(public_addresses(read("http://example.org/"), SystemResolver(), GUARD))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), NameNotFound),
        (socket.gaierror(socket.EAI_AGAIN, "later"), NameUnclear),
        (socket.gaierror(socket.EAI_FAIL, "broken"), NameUnclear),
        (OSError("no files"), NameUnclear),
        (UnicodeError("label too long"), NameUnclear),
    ],
)
def test_a_name_that_is_not_there_is_told_from_one_that_is_not_known(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    answering(monkeypatch, error=error)
    with pytest.raises(kind):
        resolve("example.org")


def test_a_resolver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(resolver, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
    try:
        with pytest.raises(NameUnclear, match="no answer"):
            resolve("example.org")
    finally:
        answered.set()
