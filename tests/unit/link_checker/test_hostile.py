"""Every hostile address is refused, by the rule that is meant to; every honest one is allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from services.link_checker.fetching import targets
from services.link_checker.fetching.addresses import Address, Guard, special
from services.link_checker.fetching.errors import NameNotFound, Refused
from services.link_checker.fetching.resolver import public_addresses
from tests.unit.link_checker.hostile import ALLOWED, NAMES, REFUSED

GUARD = Guard(also_refused=(ipaddress.ip_network("93.184.218.0/24"),))
log = logging.getLogger(__name__)


class Names:
    """Answers from the table."""

    async def resolve(self, host: str) -> Sequence[Address]:
        if host not in NAMES:
            raise NameNotFound(host)
        return [ipaddress.ip_address(text) for text in NAMES[host]]


def reached(url: str, guard: Guard = GUARD) -> Sequence[Address]:
    return asyncio.run(public_addresses(targets.read(url), Names(), guard))


@pytest.mark.parametrize("url", REFUSED, ids=ascii)
def test_a_hostile_address_is_refused(url: str) -> None:
    with pytest.raises(Refused) as raised:
        reached(url)
    assert raised.value.rule == REFUSED[url]


@pytest.mark.parametrize("url", ALLOWED, ids=ascii)
def test_an_honest_address_is_allowed(url: str) -> None:
    target = targets.read(url)
    assert (target.host, target.port, target.path) == ALLOWED[url]
    assert all(special(address) is None for address in reached(url))


def test_the_table_as_a_whole() -> None:
    refused = 0
    for url in REFUSED:
        try:
            reached(url)
        except Refused:
            refused += 1
    allowed = sum(bool(reached(url)) for url in ALLOWED)
    log.info("%d of %d refused, %d of %d allowed", refused, len(REFUSED), allowed, len(ALLOWED))
    assert len(REFUSED) >= 80
    assert (refused, allowed) == (len(REFUSED), len(ALLOWED))


@pytest.mark.parametrize("location", REFUSED, ids=ascii)
def test_a_redirect_leads_nowhere_that_an_address_may_not(location: str) -> None:
    """Relative redirects stay on the host they come from, whatever they look like."""
    base = targets.read("https://good.example.org/a/b")
    try:
        target = targets.join(base, location)
        asyncio.run(public_addresses(target, Names(), GUARD))
    except Refused:
        return
    assert target.host == base.host


def test_no_port_but_those_that_are_set() -> None:
    url = "http://good.example.org:8080/"
    assert reached(url, Guard(ports=frozenset((8080,))))
    with pytest.raises(Refused, match="port"):
        reached("http://good.example.org/", Guard(ports=frozenset((8080,))))


def test_tests_reach_the_one_address_and_port_that_they_name() -> None:
    guard = Guard(UNSAFE_reachable_in_tests=frozenset((("127.0.0.1", 8080),)))
    assert reached("http://127.0.0.1:8080/", guard)
    for url in ("http://127.0.0.1/", "http://127.0.0.2:8080/", "http://loopback.evil.example/"):
        with pytest.raises(Refused):
            reached(url, guard)


@given(st.integers(0, 2**32 - 1))
def test_no_form_of_ipv6_carries_an_ipv4_address(number: int) -> None:
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    compatible = ipaddress.IPv6Address(number)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))
    for address in (mapped, compatible, nat64, six_to_four, teredo):
        assert special(address), address


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_special(address: Address) -> None:
    if special(address) is None:
        assert address.is_global
        assert not (address.is_private or address.is_multicast or address.is_reserved)
        assert not (address.is_loopback or address.is_link_local or address.is_unspecified)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"https://good.example.org{text}"):
        try:
            target = targets.read(url)
        except Refused:
            continue
        assert target.url.isascii()
        assert not set(target.url) & set(" \r\n\t\\")
        again = targets.read(target.url)
        assert again == target


WORDS = (
    r"http https : / // \ @ # ? %40 % . .. [ ] ::1 127.0.0.1 good.example.org evil.example localhost"
    " 80 :80 443 0x7f \uff11 \u3002 \u017f \u00ad"
)
PIECES = st.sampled_from(WORDS.split())


@given(st.lists(PIECES, max_size=12).map("".join))
def test_other_readers_see_the_same_host(text: str) -> None:
    """What is taken here means the same to urllib, httpx and yarl (and so to whoever shows a suggestion)."""
    for url in (text, f"http://{text}", f"https://good.example.org{text}"):
        try:
            target = targets.read(url)
        except Refused:
            continue
        for seen in (urlsplit(target.url).hostname, httpx.URL(target.url).host, yarl.URL(target.url).host):
            assert seen == target.host, url


def test_what_is_judged_is_what_is_sent() -> None:
    target = targets.read("https://BÜCHER.example.org./ä?b#c")
    assert target.authority == "xn--bcher-kva.example.org"
    assert target.url == "https://xn--bcher-kva.example.org/%C3%A4?b"
    assert targets.read("http://[2606:4700::1]:443/").authority == "[2606:4700::1]:443"
