"""Who is signed in: a random id in the browser, everything else here.

The cookie holds the signed id and nothing more; the database holds its hash, and the tokens encrypted with a
key that takes the id to make. An id is made at each sign-in, so none that somebody planted is ever used.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

import msgspec

from services.kit.db import Database
from services.kit.errors import Unauthenticated
from services.kit.settings import Secret
from services.users.client import Tokens, UsersClient
from services.web.keys import Keys, Undecryptable
from services.web.session_store import SessionStore, StoredSession
from services.web.sign_ins import SignIns

ID_BYTES = 32
# An access token is renewed this long before it ends, so that it lasts for the request.
RENEWED_BEFORE = dt.timedelta(seconds=30)


class SessionEnded(Unauthenticated):
    """The sign-in behind a session is over: revoked, expired, or its account deleted."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    access: str
    refresh: str


class _Claims(msgspec.Struct, frozen=True):
    """What the pages read of an access token that the users service itself has just handed over."""

    sub: str
    name: str = ""
    sid: str = ""


@dataclass(repr=False)
class Session:
    """The session of one request; `stored` is replaced when its tokens are renewed."""

    id: str
    stored: StoredSession
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def user_id(self) -> int:
        return self.stored.user_id

    @property
    def username(self) -> str:
        return self.stored.username


class Sessions:
    """Opens, finds, renews and ends the sessions of the pages."""

    def __init__(self, database: Database, users: UsersClient, keys: Keys, sign_ins: SignIns) -> None:
        self._database = database
        self._users = users
        self._keys = keys
        self._sign_ins = sign_ins
        self._renewing: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self.store = SessionStore(database)

    async def open(self, tokens: Tokens, replaced: Session | None = None) -> Session:
        """A new session, with an id that nobody has seen before; `replaced` ends."""
        session_id = secrets.token_urlsafe(ID_BYTES)
        claims = claims_of(tokens.access_token)
        stored = StoredSession(
            id_hash=_hash(session_id),
            user_id=int(claims.sub),
            username=claims.name,
            users_session_id=int(claims.sid) if claims.sid else None,
            tokens=self._close(session_id, tokens),
            access_expires_at=_ends_at(tokens.expires_in),
            expires_at=_ends_at(tokens.refresh_expires_in or tokens.expires_in),
        )
        if replaced is not None:
            await self.store.end(replaced.stored.id_hash)
        if not await self.store.add(stored):
            raise SessionEnded("the account was deleted")
        self._sign_ins.confirm(stored.id_hash)
        return Session(session_id, stored)

    async def find(self, cookie: str | None) -> Session | None:
        """The session that a cookie stands for, if there still is one."""
        session_id = self._keys.unsign("session", cookie) if cookie else None
        if session_id is None:
            return None
        stored = await self.store.find(_hash(session_id))
        return None if stored is None else Session(session_id, stored)

    def cookie(self, session: Session) -> str:
        return self._keys.sign("session", session.id)

    async def access_token(self, session: Session) -> Secret:
        """An access token that lasts for a request; raises SessionEnded when the sign-in does not go on.

        The refresh token is good once, so it is used by one request at a time, over all replicas: whoever
        comes second finds what the first has brought.
        """
        id_hash = session.stored.id_hash
        if not (_is_fresh(session.stored) and self._sign_ins.is_known(id_hash)):
            # Here first: those who wait shall not hold a connection each, nor ask the same again.
            async with self._renewing.setdefault(id_hash, session.lock):
                confirmed = await self._confirmed(session)
            if confirmed is None:
                await self.store.end(id_hash)
                raise SessionEnded("sign in again")
            session.stored = confirmed
        return self._access(session)

    async def _confirmed(self, session: Session) -> StoredSession | None:
        """The session with a token that lasts; None when its sign-in is over."""
        id_hash = session.stored.id_hash
        if not _is_fresh(session.stored):
            renewed = await self._renewed(session)
            if renewed is not None:
                self._sign_ins.confirm(id_hash)
            return renewed
        goes_on = self._sign_ins.is_known(id_hash) or await self._sign_ins.goes_on(
            id_hash, self._access(session)
        )
        return session.stored if goes_on else None

    def _access(self, session: Session) -> Secret:
        return Secret(self._open(session.id, session.stored).access)

    async def _renewed(self, session: Session) -> StoredSession | None:
        async with self._database.transaction():
            stored = await self.store.lock(session.stored.id_hash)
            if stored is None or _is_fresh(stored):
                return stored
            refresh = Secret(self._open(session.id, stored).refresh)
            try:
                tokens = await self._users.refresh(refresh, key=self._keys.repeat_key(refresh))
            except Unauthenticated:
                return None
            renewed = replace(
                stored,
                tokens=self._close(session.id, tokens),
                access_expires_at=_ends_at(tokens.expires_in),
                expires_at=_ends_at(tokens.refresh_expires_in or tokens.expires_in),
            )
            await self.store.renew(
                renewed.id_hash, renewed.tokens, renewed.access_expires_at, renewed.expires_at
            )
            return renewed

    def _close(self, session_id: str, tokens: Tokens) -> bytes:
        refresh = tokens.refresh_token.reveal() if tokens.refresh_token else ""
        plain = msgspec.msgpack.encode(_Kept(tokens.access_token.reveal(), refresh))
        return self._keys.encrypt(plain, holder=session_id.encode())

    def _open(self, session_id: str, stored: StoredSession) -> _Kept:
        try:
            plain = self._keys.decrypt(stored.tokens, holder=session_id.encode())
        except Undecryptable as error:
            raise SessionEnded("sign in again") from error
        return msgspec.msgpack.decode(plain, type=_Kept)


def claims_of(access_token: Secret) -> _Claims:
    """What an access token says; not verified, since it came from its issuer just now."""
    part = access_token.reveal().split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=_Claims)


def _is_fresh(stored: StoredSession) -> bool:
    return stored.access_expires_at - dt.datetime.now(dt.UTC) > RENEWED_BEFORE


def _ends_at(seconds: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def _hash(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()
