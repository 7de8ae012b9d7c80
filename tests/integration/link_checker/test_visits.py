"""One check: HEAD, GET, robots.txt, turns; and what each kind of answer is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from services.link_checker.domain import Finding
from services.link_checker.fetching import targets
from services.link_checker.fetching.errors import Busy
from services.link_checker.fetching.fetcher import Limits
from services.link_checker.fetching.robots import Robots
from services.link_checker.fetching.turns import Turns
from services.link_checker.fetching.visits import Visits
from tests.integration.link_checker.conftest import NewSite
from tests.integration.link_checker.fetching import fetcher
from tests.integration.link_checker.site import AskingResolver, Site, name_server, page, redirect

pytestmark = pytest.mark.anyio
LIMITS = Limits(total_s=30.0, connect_s=10.0, silence_s=10.0)
NOW = 1_800_000_000.0
HTML = b"<title>A page</title><meta name=description content='About it'>"


def visits(*sites: Site, limits: Limits = LIMITS, pause_s: float = 0.0) -> Visits:
    fetching = fetcher(*sites, limits=limits)
    return Visits(fetching, Robots(fetching, time.monotonic), Turns(), lambda: NOW, pause_s)


async def test_a_new_link_is_read(new_site: NewSite) -> None:
    site = await new_site({"/": page(HTML)})
    outcome = await visits(site).check(site.url(), with_page=True)
    assert (outcome.finding, outcome.status) == (Finding.ANSWERED, 200)
    assert (outcome.title, outcome.description) == ("A page", "About it")
    assert site.asked() == ["GET /robots.txt", "GET /"]


async def test_a_known_link_is_asked_by_head(new_site: NewSite) -> None:
    site = await new_site({"/": page(HTML)})
    visit = visits(site)
    assert (await visit.check(site.url(), with_page=False)).finding is Finding.ANSWERED
    assert (await visit.check(site.url(), with_page=False)).title is None
    assert site.asked() == ["GET /robots.txt", "HEAD /", "HEAD /"]


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "404 Not Found", "403 Forbidden", "501 No", ""])
async def test_what_head_refuses_is_asked_again_by_get_with_a_range(new_site: NewSite, status: str) -> None:
    site = await new_site({"GET /": page(HTML, status="206 Partial Content")})
    site.answers["HEAD /"] = page(status=status) if status else b""
    outcome = await visits(site).check(site.url(), with_page=False)
    assert outcome.finding is Finding.ANSWERED
    assert site.asked()[1:] == ["HEAD /", "GET /"]
    assert site.requests[-1].headers["range"] == "bytes=0-1023"


@pytest.mark.parametrize(
    ("status", "headers", "finding", "retry_after_s"),
    [
        ("200 OK", [], Finding.ANSWERED, None),
        ("204 No Content", [], Finding.ANSWERED, None),
        ("304 Not Modified", [], Finding.ANSWERED, None),
        ("401 Unauthorized", [], Finding.ANSWERED, None),
        ("403 Forbidden", [], Finding.ANSWERED, None),
        ("404 Not Found", [], Finding.NOT_FOUND, None),
        ("410 Gone", [], Finding.GONE, None),
        ("429 Too Many Requests", ["Retry-After: 120"], Finding.BUSY, 120.0),
        ("429 Too Many Requests", [], Finding.BUSY, None),
        ("500 Internal Server Error", [], Finding.SERVER_ERROR, None),
        ("503 Service Unavailable", [], Finding.SERVER_ERROR, None),
        ("503 Service Unavailable", ["Retry-After: 60"], Finding.BUSY, 60.0),
        ("503 Away", ["Retry-After: Fri, 15 Jan 2027 08:01:00 GMT"], Finding.BUSY, 60.0),
        ("503 Away", ["Retry-After: 99999999999999999999"], Finding.BUSY, 7 * 86_400.0),
        ("503 Away", ["Retry-After: whenever"], Finding.BUSY, None),
    ],
)
async def test_statuses(
    new_site: NewSite, status: str, headers: list[str], finding: Finding, retry_after_s: float | None
) -> None:
    site = await new_site({"/": page(b"", *headers, status=status)})
    outcome = await visits(site).check(site.url(), with_page=True)
    assert (outcome.finding, outcome.retry_after_s) == (finding, retry_after_s)


async def test_failures_are_told_apart(new_site: NewSite, free_port: Callable[[], int]) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    site = await new_site({"/hangs": hang, "/noise": b"noise\r\n\r\n"})
    visit = visits(site, limits=Limits(total_s=10.0, connect_s=10.0, silence_s=2.0))
    nobody = Site(address=("127.0.0.1", free_port()))
    found = {
        "hangs": await visit.check(site.url("/hangs"), with_page=True),
        "noise": await visit.check(site.url("/noise"), with_page=True),
        "private": await visit.check("http://10.0.0.1/", with_page=True),
        "nobody": await visits(nobody).check(nobody.url(), with_page=True),
        "no name": await visit.check("http://nobody.example/", with_page=True),
    }
    assert {name: outcome.finding for name, outcome in found.items()} == {
        "hangs": Finding.TIMEOUT,
        "noise": Finding.BAD_ANSWER,
        "private": Finding.REFUSED,
        "nobody": Finding.CONNECTION,
        "no name": Finding.NO_PUBLIC_ADDRESS,
    }


async def test_nobody_can_ask_which_names_our_network_has() -> None:
    """A name with a private address and a name that is not there are called the same."""
    async with name_server({"wiki.own.example": [["10.0.0.1"]]}) as names:
        fetching = fetcher(resolver=AskingResolver(names))
        visit = Visits(fetching, Robots(fetching, time.monotonic), Turns(), lambda: NOW)
        inside = await visit.check("http://wiki.own.example/", with_page=True)
        absent = await visit.check("http://nothing.own.example/", with_page=True)
    assert inside.finding is absent.finding is Finding.NO_PUBLIC_ADDRESS


async def test_permanent_redirects_are_suggested(new_site: NewSite) -> None:
    site = await new_site(
        {"/old": redirect("/new", "301 Moved Permanently"), "/new": page(HTML), "/once": redirect("/new")}
    )
    assert (await visits(site).check(site.url("/old#p"), with_page=True)).suggested_url == site.url("/new#p")
    assert (await visits(site).check(site.url("/once"), with_page=True)).suggested_url is None


async def test_only_pages_are_read(new_site: NewSite) -> None:
    site = await new_site({"/": page(HTML, kind="application/pdf")})
    outcome = await visits(site).check(site.url(), with_page=True)
    assert (outcome.finding, outcome.title) == (Finding.ANSWERED, None)


async def test_a_page_that_never_ends_is_there_all_the_same(new_site: NewSite) -> None:
    async def stream(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    site = await new_site({"GET /": stream, "HEAD /": page()})
    # Long enough for the answer to HEAD; the stream is silent for all of it.
    visit = visits(site, limits=Limits(total_s=10.0, connect_s=10.0, silence_s=2.0))
    outcome = await visit.check(site.url(), with_page=True)
    assert (outcome.finding, outcome.title) == (Finding.ANSWERED, None)
    assert site.asked()[1:] == ["GET /", "HEAD /"]


RULES = b"""
User-agent: *
Disallow: /all

User-agent: DelinkciousLinkChecker
Disallow: /private
Crawl-delay: 2
"""


async def test_robots_rules_hold_and_are_asked_once(new_site: NewSite) -> None:
    site = await new_site({"/robots.txt": page(RULES), "/": page(), "/all": page(), "/private/x": page()})
    visit = visits(site)
    assert await visit.robots.delay_s(targets.read(site.url())) == 2.0
    outcome = await visit.check(site.url("/private/x"), with_page=True)
    assert outcome.finding is Finding.ROBOTS
    allowed = await visit.check(site.url("/all"), with_page=True)
    assert (allowed.finding, allowed.pause_s) == (Finding.ANSWERED, 2.0)
    assert site.asked() == ["GET /robots.txt", "GET /all"]


async def test_a_redirect_to_where_robots_may_not_go_is_not_followed(new_site: NewSite) -> None:
    site = await new_site({"/robots.txt": page(b"User-agent: *\nDisallow: /in\n"), "/": redirect("/in")})
    assert (await visits(site).check(site.url(), with_page=True)).finding is Finding.ROBOTS
    assert site.asked() == ["GET /robots.txt", "GET /"]


@pytest.mark.parametrize(
    ("robots", "finding"),
    [
        (page(status="404 Not Found"), Finding.ANSWERED),
        (page(status="403 Forbidden"), Finding.ANSWERED),
        (page(status="503 Away"), Finding.BUSY),
        (page(b"\0\1\2 User-agent"), Finding.ANSWERED),
        (page(b"Disallow: /" * 50_000), Finding.ANSWERED),
        (redirect("/robots.txt"), Finding.ANSWERED),
        (redirect("http://127.0.0.1:1/"), Finding.REFUSED),
    ],
    ids=["none", "forbidden", "away", "binary", "large", "circle", "to a neighbour"],
)
async def test_whatever_robots_says(new_site: NewSite, robots: bytes, finding: Finding) -> None:
    site = await new_site({"/robots.txt": robots, "/": page()})
    assert (await visits(site).check(site.url(), with_page=True)).finding is finding


async def test_one_connection_at_a_time_to_each_host(new_site: NewSite) -> None:
    site = await new_site({f"/{number}": page() for number in range(6)})
    site.answers["/robots.txt"] = page()
    visit = visits(site)
    await visit.check(site.url("/0"), with_page=True)  # its rules are known from here
    await asyncio.gather(*(visit.check(site.url(f"/{number}"), with_page=True) for number in range(6)))
    assert site.most_at_once == 1


async def test_who_would_wait_too_long_comes_back_later() -> None:
    turns = Turns(patience_s=0.05)
    async with turns.take("example.org", 0.0):
        with pytest.raises(Busy):
            async with turns.take("example.org", 0.0):
                pass
        async with turns.take("example.net", 0.0):
            pass
    async with turns.take("example.org", 60.0):
        pass
    with pytest.raises(Busy):
        async with turns.take("example.org", 0.0):
            pass
