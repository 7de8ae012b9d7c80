"""The link checker in the mesh: saved links are checked, and nobody is reached who should not be."""

from __future__ import annotations

from typing import Any

import httpx

from tests.e2e.installation import Account, Installation, eventually, from_pod
from tests.e2e.stranger import Stranger, stranger

CHECKED_WITHIN_S = 60.0


def save(edge: httpx.Client, account: Account, url: str) -> int:
    saved = edge.post("/api/v1/links", json={"url": url}, headers=account.headers)
    assert saved.status_code == 201, saved.text
    link_id: int = saved.json()["id"]
    return link_id


def checked(edge: httpx.Client, account: Account, link_id: int) -> dict[str, Any]:
    """The link once a check has told of it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = edge.get(f"/api/v1/links/{link_id}", headers=account.headers).json()
        return found if found["checked_at"] else None

    return eventually(look, CHECKED_WITHIN_S, f"link {link_id} is checked")


def test_a_saved_link_is_checked_and_gets_its_title(
    public: Stranger, edge: httpx.Client, account: Account
) -> None:
    link = checked(edge, account, save(edge, account, public.url()))
    assert (link["health"], link["title"]) == ("alive", "A page of a stranger")


def test_a_link_that_dies_is_reported(public: Stranger, edge: httpx.Client, account: Account) -> None:
    link_id = save(edge, account, public.url("/dies"))
    assert checked(edge, account, link_id)["health"] == "alive"
    public.gone.add("/dies")

    def dead() -> bool:
        link = edge.get(f"/api/v1/links/{link_id}", headers=account.headers).json()
        return (link["health"], link["health_reason"]) == ("dead", "not-found")

    eventually(dead, CHECKED_WITHIN_S, "the link is dead")


def test_no_neighbour_is_reached_through_a_saved_link(
    public: Stranger, installation: Installation, edge: httpx.Client, account: Account
) -> None:
    """A server on loopback, the pods of the mesh, their proxies, names of the neighbourhood."""
    pod = installation.pod("users-v1")
    with stranger("127.0.0.2") as secret:
        urls = [
            secret.url(),
            secret.url("/").replace("127.0.0.2", "[::ffff:127.0.0.2]"),
            f"http://{pod['ip']}:8080/healthz/live",
            f"http://{pod['admin']}/config_dump",
            f"http://{pod['egress']}/",
            "http://users.delinkcious.svc.cluster.local:8081/.well-known/jwks.json",
            "http://169.254.169.254/latest/meta-data/",
        ]
        links = [checked(edge, account, save(edge, account, url)) for url in urls]
        assert [(link["health"], link["health_reason"]) for link in links] == [("unknown", "refused")] * len(
            urls
        )
        assert secret.asked == []


def test_only_the_pages_may_ask_and_the_checker_may_ask_nobody(
    installation: Installation, edge: httpx.Client
) -> None:
    with from_pod(installation.pod("links-v1")) as client:
        # It may tell of older links: what is missing is the service's own token.
        told = client.get("http://link-checker/internal/v1/backfill")
        assert (told.status_code, told.headers["content-type"]) == (401, "application/problem+json")
    for workload in ("users-v1", "web-v1", "news-v1"):
        with from_pod(installation.pod(workload)) as client:
            answer = client.get("http://link-checker/internal/v1/backfill")
            assert (answer.status_code, answer.text) == (403, "RBAC: access denied"), workload
    for workload in ("users-v1", "links-v1", "link-checker-v1"):
        with from_pod(installation.pod(workload)) as client:
            answer = client.post("http://link-checker/internal/v1/pages", json={"url": "http://example.org/"})
            assert answer.status_code == 403, workload
    with from_pod(installation.pod("link-checker-v1")) as client:
        for url in (
            "http://links/api/v1/links",
            "http://links/internal/v1/links",
            "http://users/internal/v1/users?id=1",
            "http://users/api/v1/users/me",
        ):
            assert client.get(url).status_code == 403, url
    assert edge.post("/internal/v1/pages", json={"url": "http://example.org/"}).status_code in (403, 404)
