from __future__ import annotations

from typing import ClassVar, Literal

import argon2
import pytest
from prometheus_client import CollectorRegistry

from services.kit.settings import Secret
from services.users.metrics import Metrics
from services.users.passwords import MEMORY_KIB, PARALLELISM, TIME_COST, Passwords

pytestmark = pytest.mark.anyio

CHEAP = argon2.PasswordHasher(1, 64, 1)


def passwords() -> Passwords:
    return Passwords(Metrics(CollectorRegistry()), concurrency=1, queue=1, hasher=CHEAP)


async def test_a_password_verifies_against_its_own_hash_only() -> None:
    hasher = passwords()
    stored = await hasher.hash(Secret("one"))
    assert await hasher.verify(stored, Secret("one"))
    assert not await hasher.verify(stored, Secret("two"))
    assert stored != await hasher.hash(Secret("one"))


async def test_nobody_has_no_password_at_all() -> None:
    hasher = passwords()
    for guess in ("", "one", "\u0000"):
        assert not await hasher.verify(None, Secret(guess))


class Watched(argon2.PasswordHasher):
    """Notes the parameters of every hash that is really verified."""

    verified: ClassVar[list[str]] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified.append(str(hash).rsplit("$", 2)[0])
        return super().verify(hash, password)


async def test_an_unknown_user_costs_the_same_work_as_a_known_one() -> None:
    hasher = Passwords(
        Metrics(CollectorRegistry()), concurrency=1, queue=1, hasher=Watched(TIME_COST, MEMORY_KIB, 1)
    )
    stored = await hasher.hash(Secret("one"))
    await hasher.verify(stored, Secret("two"))
    await hasher.verify(None, Secret("two"))
    assert Watched.verified == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_parameters_are_those_that_are_recommended() -> None:
    hasher = Passwords(Metrics(CollectorRegistry()), concurrency=1, queue=1)
    assert (MEMORY_KIB, TIME_COST, PARALLELISM) == (19_456, 2, 1)
    assert (await hasher.hash(Secret("one"))).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.is_outdated(CHEAP.hash("one"))
