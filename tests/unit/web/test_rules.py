"""The rules of the pages that need nothing around them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from openapi_spec_validator import validate

from services.kit.settings import InvalidSettings, Secret, describe
from services.web import rendering
from services.web.app import ENDPOINTS, VERSION
from services.web.keys import Keys, Undecryptable
from services.web.reference import chapters, merged, own_description
from services.web.settings import WebSettings
from services.web.streams import event
from services.web.visit import local_path

OLD, NEW = "an old key that is long enough for this", "a new key that is long enough for that"


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://example.org/", True),
        ("HTTP://example.org", True),
        ("ftp://example.org/file", True),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("vbscript:x", False),
        ("//example.org", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_pages_link_to_what_is_safe_to_open_only(url: str, linked: bool) -> None:
    assert (rendering.href(url) is not None) is linked


def test_what_a_search_has_found_is_marked_and_escaped() -> None:
    assert rendering.marked("a <b> c", [(2, 5)]) == "a <mark>&lt;b&gt;</mark> c"


def test_words_between_backticks_are_code_and_the_rest_is_escaped() -> None:
    assert rendering.coded("`a<b` and <c>, `d`") == "<code>a&lt;b</code> and &lt;c&gt;, <code>d</code>"
    assert rendering.coded("one ` alone") == "one ` alone"


def test_times_are_told_as_people_do() -> None:
    now = dt.datetime.now(dt.UTC)
    told = {5: "just now", 600: "10 min ago", 7_200: "2 h ago", 100_000: "yesterday", 300_000: "3 days ago"}
    for seconds, words in told.items():
        assert words in rendering.when(now - dt.timedelta(seconds=seconds))


@pytest.mark.parametrize("path", ["/links", "/links?q=a&tag=b", "/people/ann#top"])
def test_our_own_paths_are_led_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path", ["//evil", "/\\evil", "https://evil", "\\evil", "evil", "/a\nb", "/é", "", "/a\\b", "/\x00"]
)
def test_other_paths_are_not(path: str) -> None:
    assert local_path(path) == "/links"


def test_what_an_old_key_closed_a_new_one_beside_it_opens() -> None:
    before, after = Keys(Secret(OLD)), Keys(Secret(f"{NEW},{OLD}"))
    closed = before.encrypt(b"tokens", holder=b"id")
    assert after.decrypt(closed, holder=b"id") == b"tokens"
    assert after.unsign("session", before.sign("session", "id")) == "id"
    assert after.is_form_token("session id", before.form_token("session id"))
    only = Keys(Secret(NEW))
    with pytest.raises(Undecryptable):
        only.decrypt(closed, holder=b"id")
    assert only.unsign("session", before.sign("session", "id")) is None


def test_what_was_closed_for_one_holder_or_purpose_is_good_for_no_other() -> None:
    keys = Keys(Secret(OLD))
    with pytest.raises(Undecryptable):
        keys.decrypt(keys.encrypt(b"tokens", holder=b"id"), holder=b"another")
    with pytest.raises(Undecryptable):
        keys.decrypt(b"", holder=b"id")
    assert keys.unsign("visitor", keys.sign("session", "id")) is None
    assert not keys.is_form_token("session a", keys.form_token("session b"))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="COOKIE_KEY"):
        Keys(Secret("short"))


def test_an_event_keeps_its_lines_together() -> None:
    assert event("item", "one\ntwo\n") == b"event: item\ndata: one\ndata: two\n\n"


def part(schema: dict[str, Any]) -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    operation = {"operationId": "get", "responses": {"200": {"description": "Done", **answer}}, "tags": ["t"]}
    return {
        "paths": {f"/{schema['title']}": {"get": operation}},
        "components": {"schemas": {"Thing": schema}},
    }


def test_what_two_services_call_alike_is_told_apart() -> None:
    one = {"title": "one", "type": "object", "properties": {"a": {"type": "integer"}}}
    two = {"title": "two", "type": "object", "properties": {"b": {"type": "string"}}}
    document = merged({"first": part(one), "second": part(two), "third": part(one)})
    validate(document)
    assert set(document["components"]["schemas"]) == {"Thing", "second_Thing"}
    (chapter,) = chapters(document)
    assert [operation.answers[0][2] for operation in chapter.operations] == ["a?: integer", "b?: string"]


def test_the_own_description_is_valid() -> None:
    validate(merged({"web": own_description("web", VERSION, ENDPOINTS)}))


def test_every_setting_is_described() -> None:
    settings = {setting.name: setting for setting in describe(WebSettings)}
    assert {"COOKIE_KEY", "PUBLIC_URL", "NEWS_ADDRESS", "GRPC_PROXY"} <= settings.keys()
    assert all(setting.description for setting in settings.values())
