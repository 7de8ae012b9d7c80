"""The lines of the whole installation: one schema, no secret, one request found in all of them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import httpx

from telemetry.line import parse
from tests.e2e.installation import Account, Installation, eventually

# What nobody else writes: found anywhere, it was a secret that was told.
CANARY = "Canary8Wv3kestrel"
FLUSHED_WITHIN_S = 60.0


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def lines_of(path: Path) -> list[str]:
    """Those that are written to their end: somebody may be writing the next."""
    return read(path).rpartition("\n")[0].splitlines()


def logs_of(installation: Installation) -> list[Path]:
    """Of every process: pods, sidecars, gateway, stores, the supervisor."""
    state = installation.state
    return [*state.glob("pods/*/*/logs/*.log*"), *state.glob("processes/*/log"), state / "mesh.log"]


def tell_secrets(edge: httpx.Client, name: str, token: str) -> None:
    """A canary as password, token, cookie and e-mail address, to all services, by all ways in."""
    address = f"{CANARY}@example.org"
    account = {"username": name, "password": CANARY}
    assert edge.post("/api/v1/users", json=account).status_code == 201
    session = edge.post("/api/v1/sessions", json=account).json()
    edge.post("/api/v1/sessions", json={"username": name, "password": f"{CANARY}x"})
    edge.post("/api/v1/sessions", json={"username": address, "password": CANARY})
    edge.post("/api/v1/users", json={"username": address, "password": CANARY, "email": address})
    edge.post("/sign-in", data={"username": name, "password": CANARY}, headers={"origin": str(edge.base_url)})
    cookie = {
        "cookie": f"__Host-session={CANARY}; theme={CANARY}",
        "referer": f"https://x.example/?t={CANARY}",
    }
    for path in ("/", "/links", f"/feeds/private/1-{CANARY}/news.atom", f"/search?q={CANARY}&token={CANARY}"):
        edge.get(path, headers=cookie)
    for authorization in (f"Bearer {session['access_token']}", f"Bearer {CANARY}", f"Token {CANARY}"):
        for path in ("/api/v1/links", "/api/v1/following", "/api/v1/news", "/api/bookmarks/", "/api/v1/me"):
            edge.get(path, params={"auth_token": CANARY}, headers={"authorization": authorization})
    edge.get("/v1/posts/all", auth=(name, CANARY))
    edge.get("/v1/posts/all", params={"auth_token": f"{name}:{CANARY}"})
    edge.post("/api/v1/links", json={"url": "no address", "note": address}, headers={"authorization": token})


def test_no_secret_is_in_any_output_and_every_line_fits_the_schema(
    installation: Installation, edge: httpx.Client
) -> None:
    name = f"kestrel-{secrets.token_hex(3)}"
    tell_secrets(edge, name, f"Bearer {CANARY}")
    last = f"/nowhere/{secrets.token_hex(8)}"
    edge.get(last)
    eventually(
        lambda: any(last in read(file) for file in logs_of(installation)),
        FLUSHED_WITHIN_S,
        "the last request is logged",
    )
    files = logs_of(installation)
    assert [file for file in files if CANARY in read(file)] == []
    # Jaeger and Prometheus have words of their own.
    ours = [file for file in files if {"delinkcious", "istio-system"} & set(file.parts)]
    lines = [(file, line) for file in ours for line in lines_of(file) if line.startswith("{")]
    assert len(lines) > 50
    for file, line in lines:
        assert parse(line).pod == file.parent.parent.name
    for file in ours:
        if not file.name.startswith("istio-proxy."):
            assert all(line.startswith("{") for line in lines_of(file)), file


def test_the_lines_of_one_request_are_found_in_every_process(
    installation: Installation, account: Account, edge: httpx.Client
) -> None:
    path = f"/api/v1/links/{secrets.randbelow(10**9) + 10**9}"
    trace_id = secrets.token_hex(16)
    parent = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-00"}
    assert edge.get(path, headers=account.headers | parent).status_code == 404

    def accesses() -> list[dict[str, object]]:
        told = installation.told("logs", "sidecars", "--since", "5m", "-o", "json").splitlines()
        return [line for line in map(json.loads, told) if line.get("path") == path]

    eventually(lambda: len(accesses()) == 2, FLUSHED_WITHIN_S, "gateway and sidecar have logged it")
    assert {str(line["source"]) for line in accesses()} == {"ingressgateway", "links-v1/proxy"}
    (seen,) = {str(line.get("trace_id") or str(line["traceparent"])[3:35]) for line in accesses()}
    shown = installation.told("logs", "--trace", seen).splitlines()
    assert len(shown) == 2, shown
    assert all(f"GET {path} 404" in line for line in shown)
