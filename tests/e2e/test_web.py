"""The pages as a browser meets them: through the ingress, over the mesh, with everything real behind them."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.kit.http import SERVICE_TOKEN
from tests.e2e.installation import PASSWORD, Account, Installation, eventually, from_pod

pytestmark = pytest.mark.timeout(300)


class Person:
    """Somebody with a browser that has no JavaScript."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.name = f"user-{secrets.token_hex(4)}"

    def form_token(self, path: str) -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', self.http.get(path).text)
        assert found
        return found[1]

    def post(self, path: str, page: str, **fields: str) -> httpx.Response:
        return self.http.post(path, data={"form_token": self.form_token(page), **fields})

    def sign_up(self) -> httpx.Response:
        return self.post("/sign-up", "/sign-up", username=self.name, password=PASSWORD, email="")


@pytest.fixture
def person(installation: Installation) -> Iterator[Person]:
    with installation.edge() as edge:
        edge.follow_redirects = True
        yield Person(edge)


def test_somebody_signs_up_and_saves_a_link_that_the_interface_has_too(
    person: Person, edge: httpx.Client
) -> None:
    assert person.name in person.sign_up().text
    saved = person.post("/save", "/save", url="https://example.org/kept", title="Kept", tags="e2e")
    assert "Saved." in saved.text and "Kept" in saved.text
    session = edge.post("/api/v1/sessions", json={"username": person.name, "password": PASSWORD}).json()
    headers = {"authorization": f"Bearer {session['access_token']}"}
    assert edge.get("/api/v1/links", headers=headers).json()["items"][0]["title"] == "Kept"


def test_the_public_page_and_its_feeds_need_no_sign_in(person: Person, edge: httpx.Client) -> None:
    person.sign_up()
    person.post("/save", "/save", url="https://example.org/shown", title="Shown", tags="open")
    person.post("/save", "/save", url="https://example.org/hidden", title="Hidden", private="1")
    page = edge.get(f"/people/{person.name}")
    feed = edge.get(f"/feeds/people/{person.name}/links.atom")
    assert page.status_code == feed.status_code == 200
    for text in (page.text, feed.text):
        assert "Shown" in text and "Hidden" not in text


def test_a_bookmark_file_comes_in_and_goes_out_through_the_pages(person: Person, repository: Path) -> None:
    person.sign_up()
    content = (repository / "tests" / "data" / "bookmarks" / "firefox.html").read_bytes()
    token = person.form_token("/import")
    report = person.http.post(
        "/import/e2e", data={"form_token": token}, files={"file": ("bookmarks.html", content, "text/html")}
    )
    assert report.status_code == 200 and "Done." in report.text and "8 added" in report.text
    exported = person.http.get("/export/json")
    assert exported.headers["content-disposition"].startswith("attachment")
    assert len(exported.json()) == 8


def test_one_document_describes_every_interface(edge: httpx.Client) -> None:
    document = edge.get("/openapi.json").json()
    assert {"/api/v1/links", "/api/v1/users", "/api/v1/news"} <= document["paths"].keys()


def test_where_nothing_is_people_get_a_page_with_the_trace_id_and_programs_a_problem(
    edge: httpx.Client,
) -> None:
    page = edge.get("/nowhere", headers={"accept": "text/html"})
    assert page.status_code == 404 and re.search(r"Trace id <code>[0-9a-f]{32}</code>", page.text)
    problem = edge.get("/api/v1/nowhere")
    assert problem.headers["content-type"] == "application/problem+json"


def test_nobody_else_in_the_mesh_may_ask_for_pages(installation: Installation) -> None:
    with from_pod(installation.pod("links-v1")) as links:
        assert links.get("http://web/").status_code == 403


def test_the_pages_may_do_no_more_than_they_need(installation: Installation, account: Account) -> None:
    with from_pod(installation.pod("web-v1")) as web:
        assert web.get("http://links/openapi.json").status_code == 200
        assert web.get("http://links/api/v1/links").status_code == 403
        assert web.get("http://links/api/v1/links", headers=account.headers).status_code == 200
        assert web.post("http://links/internal/v1/links").status_code == 403
        assert web.get("http://links/internal/v1/links").status_code == 401
        shown = {SERVICE_TOKEN: "guessed"}
        assert web.get("http://users/internal/v1/users?id=1", headers=shown).status_code == 401
        assert web.get("http://users:8081/metrics").status_code == 403


def test_an_account_that_is_deleted_elsewhere_leaves_nothing_at_the_pages(
    person: Person, edge: httpx.Client, installation: Installation
) -> None:
    person.sign_up()
    session = edge.post("/api/v1/sessions", json={"username": person.name, "password": PASSWORD}).json()
    headers = {"authorization": f"Bearer {session['access_token']}"}
    gone = edge.request("DELETE", "/api/v1/users/me", headers=headers, json={"password": PASSWORD})
    assert gone.status_code == 204
    # Its access token would be good for minutes: it is the event that ends the session of the pages.
    eventually(
        lambda: person.http.get("/links").url.path == "/sign-in", 60, "the session of the pages has ended"
    )


def test_what_somebody_saves_is_news_to_who_follows_at_once(
    person: Person, installation: Installation
) -> None:
    person.sign_up()
    with installation.edge() as other:
        other.follow_redirects = True
        author = Person(other)
        author.sign_up()
        path = f"/people/{author.name}"

        def followed() -> bool:
            # An account is known to the social graph as soon as its event has come.
            answer = person.post(f"{path}/change", path, action="follow")
            return ">Unfollow<" in answer.text

        eventually(followed, 60, "the author is followed")
        author.post("/save", "/save", url="https://example.org/first", title="The first one")
        eventually(lambda: "The first one" in person.http.get("/news").text, 60, "it is among the news")
        began = threading.Event()

        def save_when_watched() -> None:
            began.wait()
            author.post("/save", "/save", url="https://example.org/live", title="Live <one>")

        saving = threading.Thread(target=save_when_watched)
        saving.start()
        with person.http.stream("GET", "/news/stream", timeout=60) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                began.set()
                if "Live &lt;one&gt;" in line:
                    break
        saving.join()
        program = person.post("/account/tokens", "/account/tokens", name="script", scope="read", days="30")
        secret = program.text.split('id="new-token"')[1].partition(">")[2].split("<")[0]
        session = other.post("/api/v1/sessions", json={"api_token": secret}).json()
        headers = {"authorization": f"Bearer {session['access_token']}"}
        listed = other.get("/api/v1/news", headers=headers).json()["items"]
        assert [item["title"] for item in listed] == ["Live <one>", "The first one"]
        assert {item["username"] for item in listed} == {author.name}
