"""Following people through the public address, and who may ask the social graph for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.installation import PASSWORD, Account, Installation, eventually, from_pod, settings_of

WITHIN_S = 60.0
GRAPH = "http://social-graph.delinkcious"
USERS = "http://users.delinkcious"

Ask = Callable[..., httpx.Response]


def names(edge: httpx.Client, account: Account, path: str) -> list[str]:
    answer = edge.get(f"/api/v1/{path}", headers=account.headers)
    assert answer.status_code == 200, answer.text
    return [item["username"] for item in answer.json()["items"]]


def person(edge: httpx.Client, account: Account, name: str) -> dict[str, Any]:
    answer = edge.get(f"/api/v1/people/{name}", headers=account.headers)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


def test_who_has_just_signed_up_can_be_followed_at_once(
    installation: Installation, edge: httpx.Client
) -> None:
    ann, bob = installation.account(), installation.account()
    assert edge.put(f"/api/v1/following/{bob.name}", headers=ann.headers).status_code == 204
    assert edge.put(f"/api/v1/following/{ann.name}", headers=bob.headers).status_code == 204
    assert names(edge, ann, "following") == names(edge, ann, "followers") == [bob.name]
    seen = person(edge, ann, bob.name)
    assert (seen["user_id"], seen["followers"], seen["following"]) == (bob.id, 1, 1)
    assert (seen["you_follow"], seen["follows_you"], seen["blocked"]) == (True, True, False)
    assert edge.delete(f"/api/v1/following/{bob.name}", headers=ann.headers).status_code == 204
    assert names(edge, bob, "followers") == []


def test_a_block_ends_following_for_both(installation: Installation, edge: httpx.Client) -> None:
    ann, bob = installation.account(), installation.account()
    edge.put(f"/api/v1/following/{bob.name}", headers=ann.headers).raise_for_status()
    edge.put(f"/api/v1/blocks/{ann.name}", headers=bob.headers).raise_for_status()
    refused = edge.put(f"/api/v1/following/{bob.name}", headers=ann.headers)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert names(edge, ann, "following") == names(edge, bob, "followers") == []
    assert names(edge, bob, "blocks") == [ann.name]
    assert person(edge, ann, bob.name)["blocked"] is False


def test_friends_of_friends_are_suggested(installation: Installation, edge: httpx.Client) -> None:
    ann, bob, eve = (installation.account() for _ in range(3))
    for follower, followee in ((ann, bob), (bob, eve), (bob, ann)):
        edge.put(f"/api/v1/following/{followee.name}", headers=follower.headers).raise_for_status()
    assert names(edge, ann, "suggestions") == [eve.name]


def test_an_account_that_is_deleted_leaves_every_list(installation: Installation, edge: httpx.Client) -> None:
    ann, bob = installation.account(), installation.account()
    for follower, followee in ((ann, bob), (bob, ann)):
        edge.put(f"/api/v1/following/{followee.name}", headers=follower.headers).raise_for_status()
    gone = edge.request("DELETE", "/api/v1/users/me", json={"password": PASSWORD}, headers=bob.headers)
    assert gone.status_code == 204, gone.text
    counted = ("followers", "following")
    eventually(
        lambda: all(person(edge, ann, ann.name)[count] == 0 for count in counted),
        WITHIN_S,
        "the deletion has come to the social graph",
    )
    assert names(edge, ann, "following") == names(edge, ann, "followers") == []
    assert edge.get(f"/api/v1/people/{bob.name}", headers=ann.headers).status_code == 404
    assert edge.put(f"/api/v1/following/{ann.name}", headers=bob.headers).status_code == 401


@pytest.mark.parametrize("path", ["following", "followers", "blocks", "suggestions", "people/somebody"])
def test_the_edge_lets_nobody_through_without_a_token(edge: httpx.Client, path: str) -> None:
    answer = edge.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.text) == (403, "RBAC: access denied")


@pytest.mark.parametrize("path", ["followers/1", "following/1", "edges"])
def test_what_is_internal_has_no_way_in_from_outside(edge: httpx.Client, account: Account, path: str) -> None:
    assert edge.get(f"/internal/v1/{path}", headers=account.headers).status_code in (403, 404)


def test_services_that_the_policy_does_not_name_are_refused_by_the_sidecar(
    installation: Installation, account: Account
) -> None:
    token = {"x-service-token": _service_token(installation)}
    refused = (403, "RBAC: access denied")
    for workload in ("links-v1", "users-v1", "social-graph-v1"):
        with from_pod(installation.pod(workload)) as pod:
            for path in ("/internal/v1/edges", "/internal/v1/followers/1", "/api/v1/following"):
                answer = pod.get(f"{GRAPH}{path}", headers={**account.headers, **token})
                assert (answer.status_code, answer.text) == refused, (workload, path)


def test_the_social_graph_may_ask_users_for_a_name_and_nothing_else(
    installation: Installation, account: Account
) -> None:
    token = {"x-service-token": _service_token(installation)}
    refused = (403, "RBAC: access denied")
    with from_pod(installation.pod("social-graph-v1")) as pod:
        by_name = f"{USERS}/internal/v1/users/by-name/{account.name}"
        found = pod.get(by_name, headers=token)
        assert (found.status_code, found.json()["user_id"]) == (200, account.id)
        assert pod.get(by_name).status_code == 401
        for method, url in (
            ("POST", by_name),
            ("GET", f"{USERS}/internal/v1/users?id={account.id}"),
            ("GET", f"{USERS}/api/v1/users/me"),
            ("GET", "http://links.delinkcious/internal/v1/links"),
        ):
            answer = pod.request(method, url, headers={**account.headers, **token})
            assert (answer.status_code, answer.text) == refused, (method, url)


def _service_token(installation: Installation) -> str:
    """What services show each other, as one of them was given it."""
    file = settings_of(installation.pod("social-graph-v1"))["SERVICE_TOKEN_FILE"]
    with open(file) as secret:
        return secret.read().strip()
