"""Who is signed in where: the server to talk to, and the session kept for it in a file of mode 0600."""

from __future__ import annotations

import fcntl
import importlib
import ipaddress
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click
import httpx
import msgspec

from delinkcious.secrets import write_private
from services.kit.errors import Unauthenticated
from services.kit.http import CONNECT_TIMEOUT_S, TIMEOUT_S, HttpClient
from services.kit.settings import Secret
from services.links.client import LinksClient
from services.social_graph.client import SocialGraphClient
from services.users.client import UsersClient
from services.users.messages import Tokens

T = TypeVar("T")

# An access token with less time left than this is renewed before it is used.
RENEWED_BEFORE_S = 30.0


class NotSignedIn(Exception):
    """There is no session for this server, or it has ended."""


class Stored(msgspec.Struct, frozen=True):
    """A session as it is kept; `expires_at` (of the access token) in seconds since 1970.

    `authority` is the certificate that was trusted for a server on this machine, "" for others.
    """

    username: str
    access_token: str
    expires_at: float
    refresh_token: str
    authority: str = ""

    @classmethod
    def of(cls, username: str, tokens: Tokens, authority: str) -> Stored:
        refresh_token = tokens.refresh_token.reveal() if tokens.refresh_token else ""
        expires_at = time.time() + tokens.expires_in
        return cls(username, tokens.access_token.reveal(), expires_at, refresh_token, authority)


def _setting(name: str) -> str:
    return os.environ.get(name, "")  # noqa: TID251 - the command line's own, not a service's


def folder(variable: str, default: str) -> Path:
    """The user's folder of one kind for this program (XDG Base Directory Specification)."""
    base = _setting(variable)
    return (Path(base) if base.startswith("/") else Path.home() / default) / "delinkcious"


def default_server(sessions: SessionFile) -> str:
    """DELINKCIOUS_SERVER, else Delinkcious of this checkout where it runs, else where one is signed in.

    Raises click.UsageError when that is nowhere, or in several places.
    """
    if named := _setting("DELINKCIOUS_SERVER"):
        return named
    try:
        return str(importlib.import_module("delinkcious.local").ingress_url())
    except (ImportError, AttributeError, LookupError, OSError) as error:
        known = sorted(sessions.all())
        if len(known) == 1:
            return known[0]
        several = f"signed in at {', '.join(known)}" if known else "start one with `delinkcious up`"
        raise click.UsageError(
            f"no server: {error}; {several}, or name one by --server or DELINKCIOUS_SERVER"
        ) from error


def local_authority() -> Path | None:
    """The certificate of the local installation's own authority, if there is one."""
    try:
        file = Path(importlib.import_module("delinkcious.local").authority_file())
    except (ImportError, AttributeError, LookupError, OSError):
        return None
    return file if file.exists() else None


def checked(server: str) -> str:
    """The server's address without a last slash; passwords travel in the clear on this machine only."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"a server's address is like https://example.org, not {server!r}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise click.UsageError(f"use https for {parts.hostname}: http is for this machine only")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class SessionFile:
    """The sessions of this user, by server."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or folder("XDG_CONFIG_HOME", ".config") / "sessions.json"

    def all(self) -> dict[str, Stored]:
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, Stored])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError:
            # Written by another version, or cut off: signing in again makes it anew.
            return {}

    def keep(self, server: str, stored: Stored | None) -> None:
        sessions = self.all()
        sessions.pop(server, None)
        if stored is not None:
            sessions[server] = stored
        write_private(self.file, msgspec.json.encode(sessions))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: a refresh token that is used twice ends its session."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.file.with_name(self.file.name + ".lock")
        with open(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


@dataclass
class Server:
    """One server, talked to as whoever is signed in there."""

    url: str
    users: UsersClient
    links: LinksClient
    people: SocialGraphClient
    http: HttpClient
    sessions: SessionFile
    authority: str = ""

    async def sign_in(self, username: str, password: Secret) -> None:
        tokens = await self.users.sign_in(username, password)
        with self.sessions.locked():
            self.sessions.keep(self.url, Stored.of(username, tokens, self.authority))

    async def sign_out(self) -> str:
        """End the session here and there; returns whose it was. Raises NotSignedIn."""
        username = self.username()
        # Where it has ended already there is nothing to end.
        with suppress(Unauthenticated, NotSignedIn):
            await self.users.sign_out(Secret(await _token(self.url, self.users, self.sessions)))
        with self.sessions.locked():
            self.sessions.keep(self.url, None)
        return username

    async def token(self) -> str:
        """An access token that is good for a while. Raises NotSignedIn."""
        return await _token(self.url, self.users, self.sessions)

    def username(self) -> str:
        """Raises NotSignedIn."""
        stored = self.sessions.all().get(self.url)
        if stored is None:
            raise NotSignedIn(f"not signed in at {self.url}")
        return stored.username


async def _token(server: str, users: UsersClient, sessions: SessionFile) -> str:
    """An access token that is good for a while."""
    stored = sessions.all().get(server)
    if stored is not None and stored.expires_at - time.time() > RENEWED_BEFORE_S:
        return stored.access_token
    with sessions.locked():
        stored = sessions.all().get(server)
        if stored is None:
            raise NotSignedIn(f"not signed in at {server}")
        if stored.expires_at - time.time() > RENEWED_BEFORE_S:
            return stored.access_token
        try:
            tokens = await users.refresh(Secret(stored.refresh_token))
            renewed = Stored.of(stored.username, tokens, stored.authority)
        except Unauthenticated as error:
            raise NotSignedIn(f"the session at {server} has ended") from error
        sessions.keep(server, renewed)
        return renewed.access_token


def _authorities(server: str, sessions: SessionFile) -> list[Path]:
    """The certificates to trust for a server on this machine: of this checkout, and of its session."""
    stored = sessions.all().get(server)
    found = [local_authority(), Path(stored.authority) if stored and stored.authority else None]
    return list(dict.fromkeys(file for file in found if file is not None and file.is_file()))


@asynccontextmanager
async def connect(
    url: str | None, sessions: SessionFile | None = None, *, source: str | None = None
) -> AsyncIterator[Server]:
    """The server at `url` (None: the default), its certificate verified.

    `source`: the address of this machine to come from, if the server is on it, too.
    """
    kept = sessions or SessionFile()
    server = checked(url or default_server(kept))
    local = _is_loopback(urlsplit(server).hostname or "")
    trust = ssl.create_default_context()
    authorities = _authorities(server, kept) if local else []
    for authority in authorities:
        trust.load_verify_locations(authority)
    timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S * 5)
    # A proxy cannot reach this machine's loopback addresses.
    transport = None
    if local and source:
        transport = httpx.AsyncHTTPTransport(verify=trust, local_address=source)
    async with httpx.AsyncClient(
        verify=trust, timeout=timeout, trust_env=not local, transport=transport
    ) as client:
        http = HttpClient(client)
        users = UsersClient(http, server)
        links = LinksClient(http, lambda: _token(server, users, kept), server)
        people = SocialGraphClient(http, lambda: _token(server, users, kept), server)
        trusted = str(authorities[0]) if authorities else ""
        yield Server(server, users, links, people, http, kept, trusted)
