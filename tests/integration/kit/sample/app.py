"""Notes: the smallest service with every kind of endpoint."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request

from services.kit import page, run
from services.kit.app import create_app
from services.kit.auth import Principal
from services.kit.db import Database, constraints
from services.kit.endpoint import Access, Created, Endpoint, NoContent, Reply, require_match
from services.kit.errors import Conflict, NotFound, PreconditionFailed, TooManyRequests
from services.kit.page import Page
from services.kit.resources import Resources
from services.kit.settings import ServiceSettings

_log = structlog.get_logger(__name__)


class Settings(ServiceSettings, frozen=True, kw_only=True):
    echo_port: Annotated[int, Meta(description="A second port with a table of its own; 0: none.")] = 0


class TextTaken(Conflict):
    title = "Such a note exists"


@dataclass(frozen=True)
class Deps:
    database: Database
    clicks: list[str]


class Note(msgspec.Struct, frozen=True):
    id: int
    text: str
    version: int


class NewNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=100)]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: str | None = None
    word: list[str] = []


class Conditions(msgspec.Struct, frozen=True):
    if_match: str | None = None


class Slow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float


class After(msgspec.Struct, frozen=True):
    id: int


class Clicks(msgspec.Struct, frozen=True):
    count: int


async def get_note(deps: Deps, principal: Principal, note_id: int) -> Reply[Note]:
    """Read a note."""
    sql = "SELECT id, text, version FROM notes WHERE owner_id = $1 AND id = $2"
    row = await deps.database.fetchrow(sql, principal.user_id, note_id)
    if row is None:
        raise NotFound(f"note {note_id}")
    return Reply(Note(**row), etag=str(row["version"]))


async def list_notes(deps: Deps, principal: Principal, query: ListQuery) -> Page[Note]:
    """List the caller's notes."""
    after = 0 if query.cursor is None else page.decode(After, query.cursor).id
    sql = "SELECT id, text, version FROM notes WHERE owner_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    rows = await deps.database.fetch(sql, principal.user_id, after, query.limit + 1)
    notes = [Note(**row) for row in rows[: query.limit]]
    return Page(items=notes, next=page.encode(After(notes[-1].id)) if len(rows) > query.limit else None)


async def add_note(deps: Deps, principal: Principal, body: NewNote) -> Created[Note]:
    """Add a note."""
    deps.clicks.append(body.text)
    sql = "INSERT INTO notes (owner_id, text) VALUES ($1, $2) RETURNING id, text, version"
    with constraints({"notes_owner_text_key": TextTaken}):
        row = await deps.database.fetchrow(sql, principal.user_id, body.text)
    assert row is not None
    if body.text in ("wait", "wait long"):
        await asyncio.sleep(0.2 if body.text == "wait" else 2.0)
    if body.text == "full":
        raise TooManyRequests("later", retry_after_s=3)
    if body.text == "die":
        await deps.database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return Created(Note(**row), f"/notes/{row['id']}", str(row["version"]))


async def change_note(
    deps: Deps, principal: Principal, note_id: int, body: NewNote, headers: Conditions
) -> Reply[Note]:
    """Change a note."""
    current = await get_note(deps, principal, note_id)
    require_match(headers.if_match, current.etag or "")
    sql = "UPDATE notes SET text = $2, version = version + 1 WHERE id = $1 RETURNING id, text, version"
    row = await deps.database.fetchrow(sql, note_id, body.text)
    assert row is not None
    return Reply(Note(**row), etag=str(row["version"]))


async def delete_note(deps: Deps, principal: Principal, note_id: int) -> NoContent:
    """Delete a note."""
    await deps.database.execute(
        "DELETE FROM notes WHERE owner_id = $1 AND id = $2", principal.user_id, note_id
    )
    return NoContent()


async def click(deps: Deps, body: NewNote) -> Clicks:
    """Count a click of anybody."""
    _log.debug("clicked", text=body.text)
    deps.clicks.append(body.text)
    return Clicks(len(deps.clicks))


async def upload(deps: Deps, principal: Principal, request: Request) -> Clicks:
    """Count the bytes of a stream."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return Clicks(size)


async def wait(deps: Deps, query: Slow) -> None:
    """Answer after a while."""
    await asyncio.sleep(query.seconds)


async def crash(deps: Deps, request: Request) -> Clicks:
    """Fail in a way that nobody foresaw, with words that nobody thought about."""
    raise ZeroDivisionError(f"the secret of the house: {request.url} {request.headers.raw}")


async def whoami(deps: Deps, principal: Principal | None) -> list[str]:
    """The caller's name, if there is one."""
    return [] if principal is None else [principal.name]


ENDPOINTS = [
    Endpoint(method="GET", path="/notes", handler=list_notes, access=Access.READ),
    Endpoint(method="POST", path="/notes", handler=add_note, access=Access.WRITE, raises=(TextTaken,)),
    Endpoint(method="GET", path="/notes/{note_id:int}", handler=get_note, access=Access.READ),
    Endpoint(
        method="PUT",
        path="/notes/{note_id:int}",
        handler=change_note,
        access=Access.WRITE,
        raises=(PreconditionFailed,),
    ),
    Endpoint(method="DELETE", path="/notes/{note_id:int}", handler=delete_note, access=Access.WRITE),
    Endpoint(method="POST", path="/clicks", handler=click, access=Access.PUBLIC, body_limit_bytes=1_000),
    Endpoint(
        method="PUT",
        path="/uploads/{name}",
        handler=upload,
        access=Access.WRITE,
        body_limit_bytes=10_000,
        idempotent=False,
    ),
    Endpoint(method="GET", path="/wait", handler=wait, access=Access.PUBLIC, deadline_s=10),
    Endpoint(method="GET", path="/crash", handler=crash, access=Access.PUBLIC),
    Endpoint(method="GET", path="/whoami", handler=whoami, access=Access.PUBLIC),
]


def create(settings: Settings) -> Starlette:
    """The application."""

    async def open_deps(resources: Resources) -> Deps:
        return Deps(resources.database, [])

    extra = [Endpoint(method="GET", path="/whoami", handler=whoami, access=Access.PUBLIC)]
    return create_app(
        service="sample",
        version="1",
        endpoints=ENDPOINTS,
        open_deps=open_deps,
        settings=settings,
        listeners={settings.echo_port: extra} if settings.echo_port else None,
    )


def main() -> None:
    """Serve, and exit."""
    run.main("tests.integration.kit.sample", Settings, create)
