"""Idempotency-Key: a write that is sent again is answered again, not done again.

The record of the key and the effect of the handler are one transaction: both are there or neither is, so a
crash between them cannot make the effect happen twice. A duplicate that arrives meanwhile waits on the
record's row lock for the answer, and is told to come back (409) when that takes too long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from services.kit.db import Connection, Database
from services.kit.errors import BadRequest, Conflict, Problem, TooManyRequests, Unprocessable, render

LIFETIME = "24 hours"
# How long a duplicate waits for the first one, holding a connection of the pool.
WAIT_MS = 2_000
# Each new key removes at most this many old ones: the table shrinks faster than it grows, in small steps.
CLEAN_UP_ROWS = 20
MAX_KEY_CHARACTERS = 255

# Nothing was decided about the request itself: the same request may be judged otherwise in a moment.
_PASSING = (401, 408, 429)

CLAIM = """
INSERT INTO idempotency_keys (scope, key, request) VALUES ($1, $2, $3)
ON CONFLICT (scope, key) DO UPDATE
    SET request = excluded.request, status = NULL, headers = NULL, body = NULL, created_at = now()
    WHERE idempotency_keys.created_at < now() - $4::text::interval
RETURNING true
"""
READ = "SELECT request, status, headers, body FROM idempotency_keys WHERE scope = $1 AND key = $2"
RECORD = """
UPDATE idempotency_keys SET status = $3, headers = $4::text::jsonb, body = $5 WHERE scope = $1 AND key = $2
"""
CLEAN_UP = """
DELETE FROM idempotency_keys WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < now() - $1::text::interval
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
FORGET = "DELETE FROM idempotency_keys WHERE scope = $1"


def scope_of(user_id: int) -> str:
    """What the keys of one user are kept under."""
    return f"user {user_id}"


async def forget(connection: Connection, user_id: int) -> None:
    """Delete the keys and answers of an account that is gone."""
    await connection.execute(FORGET, scope_of(user_id))


def read_key(headers: Headers) -> str | None:
    """The request's Idempotency-Key; None without one, BadRequest for one that is no key."""
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise BadRequest(
            f"Idempotency-Key: 1 to {MAX_KEY_CHARACTERS} printable ASCII characters", header="idempotency-key"
        )
    return key


def fingerprint(*parts: bytes) -> bytes:
    """SHA-256 of the parts, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


async def answer_once(
    database: Database, scope: str, key: str, request: bytes, handle: Callable[[], Awaitable[Response]]
) -> Response:
    """Run `handle` for this key for the first time, or give the answer that it had then.

    Raises Unprocessable when the key came with another request, Conflict while the first one still runs.
    """
    try:
        async with database.transaction() as connection:
            await connection.execute(f"SET LOCAL lock_timeout = {WAIT_MS}")
            if await connection.fetchval(CLAIM, scope, key, request, LIFETIME):
                await connection.execute("SET LOCAL lock_timeout = DEFAULT")
                response = await _attempt(database, handle)
                headers = {
                    name: value for name, value in response.headers.items() if name != "content-length"
                }
                await connection.execute(
                    RECORD,
                    scope,
                    key,
                    response.status_code,
                    msgspec.json.encode(headers).decode(),
                    bytes(response.body),
                )
                await connection.execute(CLEAN_UP, LIFETIME, CLEAN_UP_ROWS)
                return response
            row = await connection.fetchrow(READ, scope, key)
    except asyncpg.LockNotAvailableError as error:
        raise Conflict("a request with this Idempotency-Key is still running", retry_after_s=1) from error
    if row is None or row["status"] is None:
        raise Conflict("a request with this Idempotency-Key is still running", retry_after_s=1)
    if row["request"] != request:
        raise Unprocessable("this Idempotency-Key was used for another request", header="idempotency-key")
    stored = msgspec.json.decode(row["headers"], type=dict[str, str])
    return Response(row["body"], row["status"], {**stored, "idempotent-replayed": "true"})


async def _attempt(database: Database, handle: Callable[[], Awaitable[Response]]) -> Response:
    try:
        async with database.transaction():
            return await handle()
    except Problem as problem:
        # A refusal is an answer too, as long as it is about the request; its effects are undone.
        if problem.status >= 500 or problem.status in _PASSING or isinstance(problem, TooManyRequests):
            raise
        return render(problem)
