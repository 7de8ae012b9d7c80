"""The signing keys in PostgreSQL, and their rotation: one replica at a time, all of it or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import structlog

from services.kit.db import Database
from services.users import keys
from services.users.encryption import KeyEncryption
from services.users.keys import Rotation, RotationPolicy, SigningKey

# Any number that no other lock of this database has.
ROTATION_LOCK = 0x75_73_65_72_73_01

READ = """
SELECT kid, state, public_jwk, private_key, created_at, activated_at, retired_at
FROM signing_keys ORDER BY created_at, kid
"""
LOCK = "SELECT pg_advisory_xact_lock($1)"
DELETE = "DELETE FROM signing_keys WHERE kid = ANY($1::text[])"
WRITE = """
INSERT INTO signing_keys (kid, state, public_jwk, private_key, created_at, activated_at, retired_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kid) DO UPDATE SET
    state = EXCLUDED.state, activated_at = EXCLUDED.activated_at, retired_at = EXCLUDED.retired_at
"""

_log = structlog.get_logger(__name__)


class KeyStore:
    """Reads and rotates the signing keys; every private key stays encrypted here."""

    def __init__(self, database: Database, encryption: KeyEncryption, policy: RotationPolicy) -> None:
        self._database = database
        self._encryption = encryption
        self._policy = policy

    async def read(self) -> list[SigningKey]:
        """All keys that are published, oldest first."""
        return [SigningKey(**row) for row in await self._database.fetch(READ)]

    async def rotate_when_due(self, now: dt.datetime) -> Rotation:
        """Do what the policy asks for at this time; creates the first keys."""
        # Asked without the lock first: nearly always there is nothing to do.
        if self._due(await self.read(), now) == Rotation():
            return Rotation()
        return await self._rotate(lambda stored: self._due(stored, now))

    async def rotate_early(self, now: dt.datetime) -> Rotation:
        """Change the signing key now; raises RotationTooEarly when that would reject tokens."""
        return await self._rotate(lambda stored: keys.early(stored, self._policy, now, self._new_key(now)))

    async def rotate_at_once(self, now: dt.datetime) -> Rotation:
        """Withdraw every key and sign with a new one, whatever that rejects: the keys became known."""
        return await self._rotate(lambda stored: keys.at_once(stored, now, self._new_key(now)))

    async def _rotate(self, decide: Callable[[Sequence[SigningKey]], Rotation]) -> Rotation:
        async with self._database.transaction():
            await self._database.execute(LOCK, ROTATION_LOCK)
            rotation = decide(await self.read())
            await self._database.execute(DELETE, list(rotation.deleted))
            # In this order: a key leaves a state before another one enters it.
            for key in rotation.changed:
                await self._database.execute(
                    WRITE,
                    key.kid,
                    key.state,
                    key.public_jwk,
                    key.private_key,
                    key.created_at,
                    key.activated_at,
                    key.retired_at,
                )
        for key in rotation.changed:
            _log.info("signing key", kid=key.kid, state=key.state)
        for kid in rotation.deleted:
            _log.info("signing key", kid=kid, state="withdrawn")
        return rotation

    def _due(self, stored: Sequence[SigningKey], now: dt.datetime) -> Rotation:
        return keys.due(stored, self._policy, now, self._new_key(now))

    def _new_key(self, now: dt.datetime) -> Callable[[], SigningKey]:
        return lambda: keys.generate(self._encryption, now)
