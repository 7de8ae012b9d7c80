"""What a log line hides: by a field's name, by a value's type, by the shape of a text."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from services.kit.settings import Secret
from telemetry.redaction import MAX_TEXT, clean, clean_field

CANARY = "Canary-7Qx9"
JWT = f"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI3In0.{CANARY}"


class Holder(msgspec.Struct):
    name: str
    password: str
    inner: Secret


@pytest.mark.parametrize(
    "text",
    [
        f"cannot use {JWT} here",
        f"Authorization: Bearer {CANARY}abc",
        f"authorization=Basic {CANARY}==",
        f"[(b'authorization', b'Bearer {CANARY}x'), (b'accept', b'*/*')]",
        f"[(b'cookie', b'session={CANARY}; other=1')]",
        f"Set-Cookie: __Host-session={CANARY}; Path=/",
        f"postgresql://links:{CANARY}@db.example:5432/links",
        f"redis://:{CANARY}@127.0.0.1:6379/0",
        f"GET /v1/posts/all?auth_token=ada:{CANARY}&format=json",
        f"https://example.org/?token={CANARY}",
        f"sign_in(username='ada', password='{CANARY}')",
        f'{{"password": "{CANARY}"}}',
        f"client_secret={CANARY}&grant_type=x",
        f"[(b'x-api-key', b'{CANARY}')]",
        f"dlk_{CANARY}01234 is revoked",
        f"dlr_{CANARY}01234",
        f"{CANARY}.ada@example.org has no account",
        f"Key (email)=({CANARY}@example.org) already exists.",
        f"invalid input for query argument $2: '{CANARY}' (expected int)",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    assert CANARY not in clean(text)
    assert "***" in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "no token was sent",
        "the password is too short",
        "bearer of news",
        "Basic rules",
        "cannot reach http://links:80/api/v1/links",
        "secrets are in files",
        "link 42 @ 3",
        "2026-11-26T10:00:00Z",
    ],
)
def test_a_text_without_one_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", f"Bearer {CANARY}"),
        ("Set-Cookie", CANARY),
        ("x-service-token", CANARY),
        ("new_password", CANARY),
        ("headers", {"Cookie": CANARY, "accept": "text/html"}),
        ("headers", [["cookie", f"session={CANARY}"]]),
        ("deep", [{"a": [{"client_secret": [CANARY]}]}]),
        ("settings", Secret(CANARY)),
        ("nested", {"a": [Secret(CANARY)], "b": (Secret(CANARY),)}),
        ("struct", Holder("ada", CANARY, Secret(CANARY))),
        ("error", ValueError(f"password={CANARY}")),
        ("raw", f"token={CANARY}".encode()),
    ],
)
def test_a_secret_in_a_field_is_hidden_however_deep(name: str, value: Any) -> None:
    found = msgspec.json.encode(clean_field(name, value)).decode()
    assert CANARY not in found
    assert "***" in found


def test_what_is_no_secret_keeps_its_type() -> None:
    fields = {"tokens": 3, "links": [1, 2], "token": None, "ratio": 0.5, "done": True, "kind": {"a": "b"}}
    assert {name: clean_field(name, value) for name, value in fields.items()} == fields


@pytest.mark.parametrize("text", ["a" * 10**6, "eyJ" * 300_000, "@." * 500_000, "x@" + "a." * 500_000])
def test_a_hostile_text_is_cut_and_costs_little(text: str) -> None:
    began = time.process_time()
    assert len(clean(text)) < MAX_TEXT + 100
    assert time.process_time() - began < 1.0
