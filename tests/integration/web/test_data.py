"""Files in and out: imports, exports, all data in one file, feeds."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest

from tests.integration.web.conftest import Browser
from tests.web_stack import Stack

pytestmark = pytest.mark.anyio

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def bookmarks(repository: Path) -> bytes:
    return (repository / "tests" / "data" / "bookmarks" / "firefox.html").read_bytes()


def parsed(content: bytes) -> Element:
    return fromstring(content)  # noqa: S314 - it is our own


async def send(browser: Browser, content: bytes, key: str = "one", **fields: str) -> httpx.Response:
    sent = {"form_token": await browser.token("/import"), **fields}
    return await browser.http.post(f"/import/{key}", data=sent, files={"file": ("b.html", content)})


async def test_a_file_is_imported_and_reported(ann: Browser, bookmarks: bytes) -> None:
    report = await send(ann, bookmarks, folders="1")
    assert report.status_code == 200
    assert "Done." in report.text and "8 added" in report.text
    assert "Python documentation" in (await ann.get("/links")).text
    part = await ann.get("/import/one", hx_request="true")
    assert 'data-state="done"' in part.text and "<html" not in part.text
    again = await send(ann, bookmarks, key="two", folders="1")
    assert "8 unchanged" in again.text


async def test_a_file_comes_through_in_pieces_of_any_size(ann: Browser, bookmarks: bytes) -> None:
    token = await ann.token("/import")
    boundary = "a-boundary"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="private"\r\n\r\n1\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="b.html"\r\n\r\n'
    )
    body = head.encode() + bookmarks + f"\r\n--{boundary}--\r\n".encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    report = await ann.http.post("/import/tiny", content=pieces(), headers=headers)
    assert "8 added" in report.text
    assert "private" in (await ann.get("/links")).text


async def test_what_is_no_bookmark_file_is_refused_in_words(ann: Browser) -> None:
    refused = await send(ann, b"\x89PNG not at all")
    assert 400 <= refused.status_code < 500 and 'role="alert"' in refused.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b"garbage",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"y" * 10_000 + b"\r\n--b--\r\n",
        b"--b\r\n" + b"Content-Disposition: " + b"a" * 20_000 + b"\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n',
    ],
)
async def test_a_form_that_is_none_is_refused(ann: Browser, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert (await ann.http.post("/import/x", content=body, headers=headers)).status_code in (400, 403)


async def test_links_are_exported_in_three_formats(ann: Browser) -> None:
    await ann.save("https://example.org/kept", title="Kept", tags="one two")
    html = await ann.get("/export/netscape")
    assert "attachment" in html.headers["content-disposition"] and "NETSCAPE" in html.text
    assert json.loads((await ann.get("/export/json")).text)[0]["href"] == "https://example.org/kept"
    assert "https://example.org/kept" in (await ann.get("/export/csv")).text


async def test_all_data_come_in_one_file(ann: Browser, stranger: Browser, stack: Stack) -> None:
    for number in range(3):
        await ann.save(f"https://example.org/{number}", title=f"Link {number}", tags="All", private="1")
    made = await ann.post("/account/tokens", {"name": "phone", "scope": "write", "days": "30"})
    token = re.search(r"dlk_[\w-]+", made.text)
    assert token, made.text
    program = {"authorization": f"Token {token[0]}"}
    for path, body in (("tags", {"name": "kept"}), ("bundles", {"name": "Read", "search": "is:unread"})):
        kept = await stranger.http.post(f"/api/{path}/", json=body, headers=program)
        assert kept.status_code == 201, kept.text
    stack.stand.following.add("grace")
    stack.stand.blocked.add("mallory")
    found = {
        "health": "dead",
        "health_reason": "gone",
        "suggested_url": "https://example.net/",
        "checked_at": "2026-01-02T00:00:00Z",
    }
    await stack.links.state.kit.running.database.execute(
        "UPDATE links SET health = 'dead', health_reason = 'gone', suggested_url = 'https://example.net/',"
        " checked_at = '2026-01-02T00:00Z'"
    )
    answer = await ann.get("/account/data.zip")
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    links = [json.loads(line) for line in archive.read("links.json").splitlines()]
    assert sorted(link["url"] for link in links) == [f"https://example.org/{n}" for n in range(3)]
    assert all(found.items() <= link.items() for link in links), "what the last check found"
    assert json.loads(archive.read("account.json"))["username"] == ann.name
    assert json.loads(archive.read("following.json"))[0]["username"] == "grace"
    assert json.loads(archive.read("blocks.json"))[0]["username"] == "mallory"
    tags = json.loads(archive.read("tags.json"))
    assert [(tag["tag"], tag["name"], tag["links"]) for tag in tags] == [
        ("all", "All", 3),
        ("kept", "kept", 0),
    ]
    (bundle,) = json.loads(archive.read("bundles.json"))
    assert (bundle["name"], bundle["search"], bundle["order"]) == ("Read", "is:unread", 0)
    assert json.loads(archive.read("api-tokens.json"))[0]["name"] == "phone"
    assert len(json.loads(archive.read("sessions.json"))) == 1
    assert b"Link 2" in archive.read("bookmarks.html")
    told = archive.read("README.txt").decode()
    assert all(f"\n{name} " in told for name in archive.namelist() if name != "README.txt")


async def test_there_is_no_file_with_a_part_missing(ann: Browser, stack: Stack) -> None:
    stack.stand.away = True
    answer = await ann.get("/account/data.zip")
    assert answer.status_code == 503 and "is away" in answer.text


async def test_public_links_are_a_feed_in_both_formats(ann: Browser, stranger: Browser) -> None:
    await ann.save("https://example.org/shown", title="Shown & told", tags="open", note="a <b>note</b>")
    await ann.save("https://example.org/hidden", title="Hidden", private="1")
    atom = await stranger.get(f"/feeds/people/{ann.name}/links.atom")
    entries = parsed(atom.content).findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["Shown & told"]
    assert entries[0].findtext(f"{ATOM}content") == "a <b>note</b>"
    rss = await stranger.get(f"/feeds/people/{ann.name}/tags/open/links.rss")
    item = parsed(rss.content).find("channel/item")
    assert item is not None and item.findtext("title") == "Shown & told"
    assert item.findtext("description") == "a &lt;b&gt;note&lt;/b&gt;"
    other = await stranger.get(f"/feeds/people/{ann.name}/tags/other/links.atom")
    assert not parsed(other.content).findall(f"{ATOM}entry")
    assert (await stranger.get(f"/feeds/people/{ann.name}/links.exe")).status_code == 404


def address_of(feed: str, page: str) -> str:
    """The path of a feed, as the page gives it to be copied."""
    found = re.search(rf'id="{feed}"[^>]*>https://pages\.example([^<]+)</textarea>', page)
    assert found, page
    return found[1]


async def test_private_feeds_are_read_by_their_address_until_it_is_renewed(
    ann: Browser, stranger: Browser
) -> None:
    await ann.save("https://example.org/hidden", title="Hidden", private="1")
    made = await ann.post("/account/feeds", {"action": "renew"})
    path = address_of("links-feed", made.text)
    feed = await stranger.get(path)
    assert feed.status_code == 200 and "Hidden" in feed.text
    assert "no-store" in feed.headers["cache-control"]
    await ann.post("/account/feeds", {"action": "renew"})
    assert (await stranger.get(path)).status_code == 404
    tokens = (await ann.get("/account/tokens")).text
    assert tokens.count("<strong>Private feeds") == 1


async def test_private_feeds_end_with_their_api_token(ann: Browser, stranger: Browser, stack: Stack) -> None:
    made = await ann.post("/account/feeds", {"action": "renew"})
    path = address_of("unread-feed", made.text)
    tokens = (await ann.get("/account/tokens")).text
    await ann.post("/account/tokens/" + tokens.split('action="/account/tokens/')[1].split('"')[0], {})
    assert (await stranger.get(path)).status_code == 404
    ended = await ann.post("/account/feeds", {"action": "end"})
    assert "no private feeds" in ended.text
