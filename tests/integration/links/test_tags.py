"""Tags of one owner: counted, renamed, merged, deleted and suggested, never those of another."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.links.conftest import AsUser

pytestmark = pytest.mark.anyio

LINKS = "/api/v1/links"
TAGS = "/api/v1/tags"


async def save(client: httpx.AsyncClient, *tag_lists: list[str]) -> None:
    for number, tags in enumerate(tag_lists):
        await client.post(LINKS, json={"url": f"https://example.org/{number}", "tags": tags})


async def counts(client: httpx.AsyncClient, **query: Any) -> dict[str, int]:
    answer = await client.get(TAGS, params=query)
    assert answer.status_code == 200, answer.text
    return {item["tag"]: item["links"] for item in answer.json()["items"]}


async def tags_of(client: httpx.AsyncClient) -> list[list[str]]:
    return [link["tags"] for link in (await client.get(LINKS, params={"order": "oldest"})).json()["items"]]


async def test_tags_are_counted_and_listed_in_order(as_user: AsUser) -> None:
    anna = as_user(1)
    await save(anna, ["web", "python"], ["python"], ["c++", "python", "web"])
    await save(as_user(2), ["python"])
    assert list((await counts(anna)).items()) == [("c++", 1), ("python", 3), ("web", 2)]
    assert list((await counts(anna, order="count")).items()) == [("python", 3), ("web", 2), ("c++", 1)]
    assert await counts(anna, prefix="PY") == {"python": 3}
    assert await counts(anna, prefix="%") == {}


@pytest.mark.parametrize("order", ["tag", "count"])
async def test_tags_come_in_pages(as_user: AsUser, order: str) -> None:
    anna = as_user(1)
    await save(anna, ["a", "b", "c", "d", "e"], ["b", "d"], ["d"])
    whole = list(await counts(anna, order=order))
    paged: list[str] = []
    query: dict[str, Any] = {"order": order, "limit": 2}
    while True:
        answer = (await anna.get(TAGS, params=query)).json()
        paged += [item["tag"] for item in answer["items"]]
        if answer["next"] is None:
            break
        query["cursor"] = answer["next"]
    assert paged == whole
    other = "count" if order == "tag" else "tag"
    assert (await anna.get(TAGS, params=query | {"order": other})).status_code == 400


async def test_a_tag_is_renamed_on_all_links_of_its_owner(as_user: AsUser) -> None:
    anna, bert = as_user(1), as_user(2)
    await save(anna, ["old", "z"], ["a"], ["old"])
    await save(bert, ["old"])
    answer = await anna.post(f"{TAGS}/rename", json={"tag": "OLD", "to": "New/Name"})
    assert (answer.status_code, answer.json()) == (200, {"links": 2, "tag": "new/name"})
    assert await tags_of(anna) == [["new/name", "z"], ["a"], ["new/name"]]
    assert await counts(anna) == {"a": 1, "new/name": 2, "z": 1}
    assert await tags_of(bert) == [["old"]]
    link = (await anna.get(LINKS, params={"tag": "new/name"})).json()["items"][0]
    assert link["version"] == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"tag": "none", "to": "x"}, 404),
        ({"tag": "a", "to": "b"}, 409),
        ({"tag": "a", "to": " , "}, 422),
        ({"tag": "a"}, 400),
        ({"tag": "a", "to": "x" * 256}, 422),
    ],
)
async def test_a_rename_that_cannot_be_changes_nothing(
    as_user: AsUser, body: dict[str, str], status: int
) -> None:
    anna = as_user(1)
    await save(anna, ["a", "b"])
    assert (await anna.post(f"{TAGS}/rename", json=body)).status_code == status
    assert await tags_of(anna) == [["a", "b"]]


async def test_several_tags_become_one(as_user: AsUser) -> None:
    anna = as_user(1)
    await save(anna, ["js", "javascript", "web"], ["ecmascript"], ["javascript"], ["web"])
    answer = await anna.post(f"{TAGS}/merge", json={"tags": ["js", "ecmascript"], "into": "JavaScript"})
    assert answer.json() == {"links": 2, "tag": "javascript"}
    assert await tags_of(anna) == [["javascript", "web"], ["javascript"], ["javascript"], ["web"]]
    assert await counts(anna) == {"javascript": 3, "web": 2}
    unknown = await anna.post(f"{TAGS}/merge", json={"tags": ["web", "gone"], "into": "x"})
    assert (unknown.status_code, unknown.json()["missing"]) == (404, ["gone"])
    assert await counts(anna) == {"javascript": 3, "web": 2}


async def test_deleting_tags_keeps_the_links(as_user: AsUser) -> None:
    anna = as_user(1)
    await save(anna, ["a", "ci/cd"], ["a"], ["b"])
    answer = await anna.delete(TAGS, params={"tag": ["a", "ci/cd"]})
    assert (answer.status_code, answer.json()) == (200, {"links": 2, "tag": None})
    assert await tags_of(anna) == [[], [], ["b"]]
    assert await counts(anna) == {"b": 1}
    assert (await anna.delete(TAGS, params={"tag": "a"})).status_code == 404


async def test_suggestions_come_from_words_site_and_company_of_the_owners_own_tags(as_user: AsUser) -> None:
    anna = as_user(1)
    shop: dict[str, Any] = {"url": "https://shop.example/1", "tags": ["shopping"]}
    await anna.post(LINKS, json=shop)
    await save(anna, ["python", "asyncio"], ["python", "asyncio"], ["machine-learning"], ["gardening"])
    await save(as_user(2), ["tutorial"])

    async def suggested(**query: Any) -> list[str]:
        answer = await anna.get(f"{TAGS}/suggestions", params=query)
        assert answer.status_code == 200, answer.text
        return [suggestion["tag"] for suggestion in answer.json()["suggestions"]]

    title = "A Python tutorial on Machine Learning"
    assert (await suggested(url="https://elsewhere.example/x", title=title)) == [
        "python",
        "machine-learning",
        "asyncio",
    ]
    assert await suggested(url="https://SHOP.example/2") == ["shopping"]
    assert await suggested(tag="python") == ["asyncio"]
    assert await suggested(title="python", tag="asyncio") == ["python"]
    assert await suggested(url="half an addr") == []
    assert await suggested() == []
