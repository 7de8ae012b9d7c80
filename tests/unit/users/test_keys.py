from __future__ import annotations

import base64
import datetime as dt
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.settings import Secret
from services.users import keys
from services.users.encryption import KeyEncryption
from services.users.keys import ACCESS_TOKEN_LIFE, MAX_KEYS_AGE, Rotation, RotationPolicy, SigningKey

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
QUICK = RotationPolicy(sign_for=dt.timedelta(hours=2))


class Keys:
    """The stored keys in memory, with kids that count."""

    def __init__(self) -> None:
        self.stored: list[SigningKey] = []
        self.made = 0

    def new(self, now: dt.datetime) -> SigningKey:
        self.made += 1
        return SigningKey(f"key-{self.made}", "next", "{}", b"", now)

    def apply(self, rotation: Rotation) -> None:
        by_kid = {key.kid: key for key in self.stored if key.kid not in rotation.deleted}
        self.stored = list((by_kid | {key.kid: key for key in rotation.changed}).values())

    def tend(self, policy: RotationPolicy, now: dt.datetime) -> None:
        self.apply(keys.due(self.stored, policy, now, lambda: self.new(now)))

    @property
    def active(self) -> str:
        [kid] = [key.kid for key in self.stored if key.state == "active"]
        return kid

    @property
    def published(self) -> frozenset[str]:
        return frozenset(key.kid for key in self.stored)


@settings(max_examples=60, deadline=None)
@given(
    phase=st.integers(0, 19),
    signer_age=st.integers(0, int(MAX_KEYS_AGE / MINUTE) - 1),
    publisher_age=st.integers(0, int(MAX_KEYS_AGE / MINUTE) - 1),
    early=st.sets(st.integers(0, 1_500), max_size=5),
)
def test_no_token_is_ever_refused(phase: int, signer_age: int, publisher_age: int, early: set[int]) -> None:
    """A verifier reads the JWKS every 20 minutes, from a replica that is behind; so is the one that signs."""
    store = Keys()
    history: list[tuple[str, frozenset[str]]] = []
    known: frozenset[str] = frozenset()
    for minute in range(1_500):
        now = START + minute * MINUTE
        store.tend(QUICK, now)
        if minute in early:
            with suppress(keys.RotationTooEarly):
                store.apply(keys.early(store.stored, QUICK, now, partial(store.new, now)))
        history.append((store.active, store.published))
        if minute == 0 or minute % 20 == phase:
            known = history[max(0, minute - publisher_age)][1]
        # Every token that is still good was signed by what some replica believed to be active.
        for age in range(int(ACCESS_TOKEN_LIFE / MINUTE) + 1):
            signed_at = minute - age
            if signed_at >= 0:
                kid = history[max(0, signed_at - signer_age)][0]
                assert kid in known, (minute, kid)
    assert store.made > 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"publish_ahead": dt.timedelta(minutes=24)},
        {"publish_after": dt.timedelta(minutes=14)},
        {"sign_for": dt.timedelta(minutes=29)},
    ],
)
def test_a_policy_that_would_refuse_tokens_cannot_be_made(wrong: dict[str, dt.timedelta]) -> None:
    with pytest.raises(ValueError, match="key would"):
        RotationPolicy(**wrong)


def test_a_new_key_stands_published_for_25_minutes_at_least() -> None:
    assert RotationPolicy().publish_ahead >= dt.timedelta(minutes=25)


def test_the_first_key_signs_at_once_and_the_next_one_stands_ready() -> None:
    store = Keys()
    store.tend(QUICK, START)
    assert [(key.kid, key.state) for key in store.stored] == [("key-1", "active"), ("key-2", "next")]
    store.tend(QUICK, START + MINUTE)
    assert store.made == 2


def test_a_change_before_its_time_waits_for_the_verifiers() -> None:
    store = Keys()
    store.tend(QUICK, START)
    with pytest.raises(keys.RotationTooEarly) as refusal:
        keys.early(store.stored, QUICK, START + 29 * MINUTE, lambda: store.new(START))
    assert refusal.value.at == START + 30 * MINUTE
    store.apply(keys.early(store.stored, QUICK, START + 30 * MINUTE, lambda: store.new(START)))
    assert store.active == "key-2"


def test_in_haste_every_key_that_may_be_known_is_withdrawn() -> None:
    store = Keys()
    store.tend(QUICK, START)
    store.apply(keys.at_once(store.stored, START, lambda: store.new(START)))
    assert store.published == {"key-3", "key-4"}
    assert store.active == "key-3"


def test_a_lost_next_key_is_made_again() -> None:
    store = Keys()
    store.tend(QUICK, START)
    store.stored = [key for key in store.stored if key.state == "active"]
    store.tend(QUICK, START + dt.timedelta(hours=3))
    assert store.active == "key-1"
    store.tend(QUICK, START + dt.timedelta(hours=3, minutes=29))
    assert store.active == "key-1"
    store.tend(QUICK, START + dt.timedelta(hours=3, minutes=30))
    assert store.active == "key-3"


def test_a_stored_key_is_public_on_one_side_and_encrypted_on_the_other() -> None:
    encryption = KeyEncryption(Secret(base64.b64encode(bytes(32)).decode()))
    key = keys.generate(encryption, START)
    assert '"d"' not in key.public_jwk
    assert f'"kid":"{key.kid}"' in key.public_jwk
    assert '"alg":"ES256"' in key.public_jwk
    assert key.kid in repr(key) and "private" not in repr(key)
    assert encryption.decrypt(key.private_key, kid=key.kid)
    assert replace(key, state="active").kid == key.kid
