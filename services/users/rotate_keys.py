"""The command `python -m services.users rotate-keys [--now]`: change the signing key before its time.

Without `--now` no token is rejected: the next key has stood in the JWKS long enough to be known to every
verifier, or the command refuses and says from when on it is. With `--now` every published key is
withdrawn and a fresh one signs: for the day on which a private key became known. Who is signed in then
renews the access token; verifiers that keep the JWKS for 20 minutes refuse the new ones until they read
it again.

Exit codes: 0 done, 1 failed or too early, 2 wrong settings.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Sequence
from typing import NoReturn

import asyncpg

from services.kit import settings as settings_
from services.kit.db import open_pool
from services.kit.errors import Problem
from services.kit.settings import InvalidSettings
from services.users.encryption import KeyEncryption
from services.users.key_store import KeyStore
from services.users.keys import Rotation, RotationPolicy, RotationTooEarly
from services.users.settings import UsersSettings
from telemetry import logs


def main(arguments: Sequence[str]) -> NoReturn:
    """Rotate and exit."""
    parser = argparse.ArgumentParser(prog="python -m services.users rotate-keys")
    parser.add_argument("--now", action="store_true", help="withdraw every key at once: one became known")
    chosen = parser.parse_args(arguments)
    try:
        settings = settings_.load(UsersSettings)
        logs.configure(settings.log_level, service="users")
        asyncio.run(rotate(settings, at_once=chosen.now))
    except InvalidSettings as error:
        _exit(2, str(error))
    except (RotationTooEarly, Problem, asyncpg.PostgresError, OSError) as error:
        _exit(1, str(error))
    sys.exit(0)


async def rotate(settings: UsersSettings, *, at_once: bool) -> Rotation:
    """Rotate in the database that the settings name; raises RotationTooEarly."""
    if not settings.database_url:
        raise InvalidSettings("DATABASE_URL is missing")
    encryption = KeyEncryption(settings.key_encryption_key)
    async with open_pool(settings) as database:
        keys = KeyStore(database, encryption, RotationPolicy())
        now = dt.datetime.now(dt.UTC)
        return await (keys.rotate_at_once(now) if at_once else keys.rotate_early(now))


def _exit(code: int, sentence: str) -> NoReturn:
    sys.stderr.write(f"services.users: {sentence}\n")
    sys.exit(code)
