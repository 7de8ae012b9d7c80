"""The fetcher against servers that mean well, that are slow, and that mean harm."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Callable

import pytest

from services.link_checker.fetching.errors import (
    BadAnswer,
    ConnectFailed,
    NameNotFound,
    Refused,
    RefusedAddress,
    TimedOut,
    TlsFailed,
    TooManyRedirects,
)
from services.link_checker.fetching.fetcher import Limits
from tests.integration.link_checker.conftest import NewSite
from tests.integration.link_checker.fetching import fetcher
from tests.integration.link_checker.site import AskingResolver, Script, name_server, page, redirect
from tests.unit.link_checker.hostile import REFUSED

pytestmark = pytest.mark.anyio
HOP = 256 * 1024
SHORT = Limits(total_s=1.0, connect_s=0.5, silence_s=0.5)

Certified = Callable[[str], tuple[ssl.SSLContext, ssl.SSLContext]]


async def test_a_page_comes_back_and_nothing_is_said_about_us(
    new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site = await new_site({"/a?b": page(b"hello", "Set-Cookie: a=b")})
    answer = await fetcher(site).fetch("GET", site.url("/a?b#c"), body_bytes=HOP)
    assert (answer.status, answer.body) == (200, b"hello")
    (request,) = site.requests
    assert request.headers["host"] == f"127.0.0.1:{site.port}"
    assert not {"cookie", "authorization", "referer", "traceparent", "x-forwarded-for"} & set(request.headers)
    assert await fetcher(site).fetch("GET", site.url("/a?b"))
    assert "cookie" not in site.requests[1].headers


async def test_redirects_are_followed_by_hand(new_site: NewSite) -> None:
    site = await new_site(
        {
            "/1": redirect("/2", "301 Moved Permanently"),
            "/2": redirect("3", "308 Permanent Redirect"),
            "/3": redirect("/4"),
            "/4": redirect("?5", "301 Moved Permanently"),
            "/4?5": page(b"end"),
        }
    )
    answer = await fetcher(site).fetch("GET", site.url("/1"), body_bytes=HOP)
    assert answer.body == b"end"
    assert [hop.path for hop in answer.hops] == ["/1", "/2", "/3", "/4", "/4?5"]
    assert answer.moved_to is not None
    assert answer.moved_to.path == "/3"


async def test_no_hostile_redirect_is_followed(new_site: NewSite) -> None:
    """The table again, this time as what a server says."""
    locations = [url for url in REFUSED if url.isascii() and url.isprintable() and "://" in url[:9]]
    assert len(locations) > 80
    answers = {f"/{number}": redirect(url.strip()) for number, url in enumerate(locations)}
    site = await new_site(dict(answers))
    one = fetcher(site)
    for number in range(len(locations)):
        try:
            answer = await one.fetch("GET", site.url(f"/{number}"))
        except (Refused, NameNotFound, BadAnswer, TooManyRedirects):
            continue
        assert {hop.host for hop in answer.hops} == {site.address[0]}  # `http:///path` is a path here


async def test_a_private_neighbour_is_not_reached_by_redirect(new_site: NewSite) -> None:
    secret = await new_site({"/": page(b"secret")}, host="127.0.0.9")
    site = await new_site({"/": redirect(secret.url())})
    with pytest.raises(Refused, match=r"port|loopback"):
        await fetcher(site).fetch("GET", site.url())
    assert secret.connections == 0


@pytest.mark.parametrize("location", ["/", "//127.0.0.1:{port}/", "http://127.0.0.1:{port}/#again"])
async def test_a_circle_is_noticed(new_site: NewSite, location: str) -> None:
    site = await new_site({})
    site.answers["/"] = redirect(location.format(port=site.port))
    with pytest.raises(TooManyRedirects, match="circle"):
        await fetcher(site).fetch("GET", site.url())


async def test_a_long_way_ends(new_site: NewSite) -> None:
    site = await new_site({f"/{number}": redirect(f"/{number + 1}") for number in range(100)})
    with pytest.raises(TooManyRedirects, match="more than"):
        await fetcher(site).fetch("GET", site.url("/0"))
    assert site.connections == Limits().redirects + 1


async def test_a_name_that_changes_its_address_gets_one_connection_to_the_first(new_site: NewSite) -> None:
    """Rebinding: what was judged is what is connected to; DNS is not asked again for the connection."""
    site = await new_site({"/": page(b"public")}, host="127.0.0.2")
    async with name_server({"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]}) as names:
        fetch = fetcher(site, resolver=AskingResolver(names)).fetch
        answer = await fetch("GET", site.url(host="rebind.example"), body_bytes=HOP)
        assert answer.body == b"public"
        assert site.requests[0].headers["host"] == f"rebind.example:{site.port}"
        assert names.questions == ["rebind.example"]
        with pytest.raises(RefusedAddress):  # asked again for another check, and judged again
            await fetch("GET", site.url(host="rebind.example"))


async def test_a_name_that_changes_between_two_hops_is_judged_at_each(new_site: NewSite) -> None:
    site = await new_site({}, host="127.0.0.2")
    inner = await new_site({"/": page(b"secret")}, host="127.0.0.1")
    site.answers["/"] = redirect(f"http://rebind.example:{site.port}/inner")
    async with name_server({"rebind.example": [["127.0.0.2"], [inner.address[0]]]}) as names:
        with pytest.raises(RefusedAddress):
            await fetcher(site, resolver=AskingResolver(names)).fetch("GET", site.url(host="rebind.example"))
        assert len(names.questions) == 2
    assert inner.connections == 0


async def test_one_private_address_among_public_ones_refuses_a_name(new_site: NewSite) -> None:
    site = await new_site({"/": page()}, host="127.0.0.2")
    async with name_server({"mixed.example": [["127.0.0.2", "127.0.0.1"]]}) as names:
        with pytest.raises(RefusedAddress):
            await fetcher(site, resolver=AskingResolver(names)).fetch("GET", site.url(host="mixed.example"))
    assert site.connections == 0


async def test_the_next_address_is_tried_when_one_is_dead(new_site: NewSite) -> None:
    site = await new_site({"/": page(b"here")}, host="127.0.0.3")
    dead = await new_site({}, host="127.0.0.2")
    dead.address = ("127.0.0.2", site.port)
    async with name_server({"two.example": [["127.0.0.2", "127.0.0.3"]]}) as names:
        fetch = fetcher(site, dead, resolver=AskingResolver(names)).fetch
        answer = await fetch("GET", site.url(host="two.example"), body_bytes=HOP)
    assert answer.body == b"here"


async def test_a_name_that_is_not_there(new_site: NewSite) -> None:
    async with name_server({}) as names:
        with pytest.raises(NameNotFound):
            await fetcher(resolver=AskingResolver(names)).fetch("GET", "http://nobody.example/")


async def test_nobody_listens(free_port: Callable[[], int], new_site: NewSite) -> None:
    site = await new_site({})
    site.address = ("127.0.0.1", free_port())
    with pytest.raises(ConnectFailed):
        await fetcher(site).fetch("GET", site.url())


async def test_tls_verifies_the_name_though_the_address_is_pinned(
    new_site: NewSite, certified: Certified
) -> None:
    server, trusting = certified("secure.example")
    site = await new_site({"/": page(b"safe")}, host="127.0.0.2", tls=server)
    async with name_server({"secure.example": [["127.0.0.2"]], "other.example": [["127.0.0.2"]]}) as names:
        fetch = fetcher(site, resolver=AskingResolver(names), tls=trusting).fetch
        answer = await fetch("GET", site.url(host="secure.example", scheme="https"), body_bytes=HOP)
        assert answer.body == b"safe"
        with pytest.raises(TlsFailed, match=r"(?i)hostname|match"):
            await fetch("GET", site.url(host="other.example", scheme="https"))
        with pytest.raises(TlsFailed, match="self"):
            stranger = fetcher(site, resolver=AskingResolver(names))
            await stranger.fetch("GET", site.url(host="secure.example", scheme="https"))
    assert len(site.requests) == 1


async def test_plain_text_where_tls_belongs(new_site: NewSite) -> None:
    site = await new_site({"/": page()})
    with pytest.raises((TlsFailed, ConnectFailed, TimedOut)):
        await fetcher(site, limits=SHORT).fetch("GET", site.url(scheme="https"))


async def test_no_more_of_a_body_is_read_than_asked_for(new_site: NewSite) -> None:
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"a" * 65_536)
            await writer.drain()
            written += 65_536

    site = await new_site({"/": endless})
    answer = await fetcher(site).fetch("GET", site.url(), body_bytes=HOP)
    assert len(answer.body) == HOP
    answer = await fetcher(site).fetch("GET", site.url())
    assert answer.body == b""
    assert written < 64 * HOP  # what the kernel's buffers hold, and no more


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_page_is_read(new_site: NewSite, coding: str) -> None:
    text = b"".join(b"<p>%d</p>" % number for number in range(10_000))
    body = gzip.compress(text) if coding == "gzip" else zlib.compress(text)
    site = await new_site({"/": page(body, f"Content-Encoding: {coding}")})
    answer = await fetcher(site).fetch("GET", site.url(), body_bytes=HOP)
    assert answer.body == text[:HOP]


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"\0" * 50_000_000), "gzip"),
        (zlib.compress(b"\0" * 50_000_000), "deflate"),
        (gzip.compress(gzip.compress(b"\0" * 50_000_000)), "gzip, gzip"),
        (b"anything", "br"),
        (b"anything", "zip"),
        (b"no gzip at all", "gzip"),
    ],
    ids=["gzip bomb", "deflate bomb", "nested bomb", "brotli", "unknown", "broken"],
)
async def test_a_bomb_and_what_was_not_asked_for_are_refused(
    new_site: NewSite, body: bytes, coding: str
) -> None:
    site = await new_site({"/": page(body, f"Content-Encoding: {coding}")})
    with pytest.raises(BadAnswer):
        await fetcher(site).fetch("GET", site.url(), body_bytes=HOP)


def dripping(begin: bytes, drop: bytes) -> Script:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        # Nothing more to who has left: that is an error which is not a connection's.
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return drip


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "script",
    [
        hang,
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["silence", "slow header", "endless continue", "slow body", "slow chunks"],
)
async def test_a_slow_server_holds_nobody_up(new_site: NewSite, script: Script) -> None:
    site = await new_site({"/": script})
    with pytest.raises(TimedOut):
        await fetcher(site, limits=SHORT).fetch("GET", site.url(), body_bytes=HOP)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 9_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["no HTTP", "many headers", "a long header", "two lengths", "a long redirect", "nothing"],
)
async def test_what_is_no_answer(new_site: NewSite, answer: bytes) -> None:
    site = await new_site({"/": answer})
    with pytest.raises((BadAnswer, ConnectFailed)):
        await fetcher(site).fetch("GET", site.url(), body_bytes=HOP)
