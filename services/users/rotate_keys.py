"""The command `python -m services.users rotate-keys [--now]`: change the signing key before its time.

Without `--now` no token is rejected: the next key has stood in the JWKS long enough to be known to every
verifier, or the command refuses and says from when on it is. With `--now` every published key is
withdrawn and a fresh one signs: for the day on which a private key became known. Who is signed in then
renews the access token; verifiers that keep the JWKS for 20 minutes refuse the new ones until they read
it again.

Its exit code is 1 when it is too early, too.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
from collections.abc import Sequence

import asyncpg

from services.kit.db import open_pool
from services.kit.errors import Problem
from services.kit.process import begin, ending
from services.kit.settings import InvalidSettings
from services.users.encryption import KeyEncryption
from services.users.key_store import KeyStore
from services.users.keys import Rotation, RotationPolicy, RotationTooEarly
from services.users.settings import UsersSettings


def main(arguments: Sequence[str]) -> None:
    """Rotate and exit."""
    parser = argparse.ArgumentParser(prog="python -m services.users rotate-keys")
    parser.add_argument("--now", action="store_true", help="withdraw every key at once: one became known")
    chosen = parser.parse_args(arguments)
    with ending("services.users", RotationTooEarly, Problem, asyncpg.PostgresError, OSError):
        asyncio.run(rotate(begin("services.users", UsersSettings), at_once=chosen.now))


async def rotate(settings: UsersSettings, *, at_once: bool) -> Rotation:
    """Rotate in the database that the settings name; raises RotationTooEarly."""
    if not settings.database_url:
        raise InvalidSettings("DATABASE_URL is missing")
    encryption = KeyEncryption(settings.key_encryption_key)
    async with open_pool(settings) as database:
        keys = KeyStore(database, encryption, RotationPolicy())
        now = dt.datetime.now(dt.UTC)
        return await (keys.rotate_at_once(now) if at_once else keys.rotate_early(now))
