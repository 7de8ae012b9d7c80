"""What accounts, sessions and API tokens are, and the rules that they obey; no I/O."""

from __future__ import annotations

import datetime as dt
import enum
import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from services.users.common_passwords import COMMON_PASSWORDS

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 256
MIN_DISTINCT_CHARACTERS = 5
# What must be left of a password when every occurrence of the username is taken out of it.
MIN_CHARACTERS_BESIDE_USERNAME = 8

# What an account may have unless the settings say otherwise. A session beyond ends the least recently used.
MAX_API_TOKENS = 50
MAX_SESSIONS = 100

# A session ends when it was not refreshed for this long, and in any case this long after the sign-in.
SESSION_IDLE = dt.timedelta(days=30)
SESSION_LIFE = dt.timedelta(days=180)
# How long a sign-in counts as a confirmation that it is the owner who asks.
FRESH = dt.timedelta(minutes=10)
# How long the same refresh may be repeated with the same Idempotency-Key (an answer that got lost).
REFRESH_REPEATABLE = dt.timedelta(seconds=60)
# The time of an API token's last use is written this often, so that a busy token is not a busy row.
LAST_USED_EVERY = dt.timedelta(minutes=1)

Scope = Literal["read", "write"]
SESSION_SCOPES: frozenset[Scope] = frozenset({"read", "write"})

_USERNAME = re.compile(r"[a-z0-9_-]{3,32}")

# Names that are a path of the web page, a mailbox that speaks for the site, or pose as it.
RESERVED_USERNAMES = frozenset(
    """
    about abuse account accounts admin administrator administrators all anonymous api app assets auth blog
    bookmark bookmarks contact delete delinkcious delicious docs edit everyone exports faq favicon feed feeds
    followers following ftp guest health healthz help home hostmaster imports index info inbox invite jobs
    legal link links localhost login logout mail mailer-daemon me media metrics mod moderator network news
    nobody noreply no-reply null oauth official openapi operator owner password popular postmaster press
    privacy profile public recent register root rss save search security self session sessions settings
    sign-in sign-out sign-up signin signout signup staff static status subscriptions sudo superuser support
    sysadmin system tag tags team terms test token tokens undefined unread user username users webmaster
    well-known www
    """.split()  # noqa: SIM905 - a hundred lines otherwise
)


class InvalidAccount(ValueError):
    """A username, password, e-mail address or token breaks a rule; the text says which, never the value."""


class User(msgspec.Struct, frozen=True):
    """An account as its owner sees it; `email` is kept out of every log."""

    id: int
    username: str
    email: str | None
    created_at: dt.datetime
    has_password: bool = True

    def __repr__(self) -> str:
        return f"User(id={self.id}, username={self.username!r})"


class PublicUser(msgspec.Struct, frozen=True):
    """An account as anybody may see it."""

    user_id: int
    username: str
    created_at: dt.datetime


class Session(msgspec.Struct, frozen=True):
    """One sign-in that lasts until `expires_at` unless it is refreshed before."""

    id: int
    user_agent: str
    created_at: dt.datetime
    refreshed_at: dt.datetime
    expires_at: dt.datetime
    current: bool


class ApiToken(msgspec.Struct, frozen=True):
    """A personal API token without its secret; `last_used_at` is right to a minute."""

    id: int
    name: str
    scopes: list[Scope]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None


class NewApiToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make; without `expires_at` it is good until it is revoked."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=2)]
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None


@dataclass(frozen=True, repr=False)
class StoredSession:
    """What a refresh is judged by."""

    id: int
    user_id: int
    username: str
    secret_hash: bytes
    previous_hash: bytes | None
    request_key: bytes | None
    refreshed_at: dt.datetime
    expires_at: dt.datetime
    ends_at: dt.datetime


class Verdict(enum.Enum):
    """What to do with a refresh; see `judge_refresh`."""

    ROTATE = "rotate"
    REPEAT = "repeat"
    KEY_REUSED = "key-reused"
    EXPIRED = "expired"
    REUSED = "reused"


@dataclass(frozen=True)
class Grant:
    """What an access token is to say: who, with which scopes, from which session (None: an API token)."""

    user_id: int
    username: str
    scopes: frozenset[Scope]
    session_id: int | None
    not_after: dt.datetime | None = None


def fold_username(text: str) -> str:
    """The one form of a username; raises InvalidAccount for a malformed or reserved one."""
    # Only ASCII is folded: elsewhere two names may fold to one (the Kelvin sign to k).
    folded = text.lower() if text.isascii() else text
    if not _USERNAME.fullmatch(folded):
        raise InvalidAccount("a username has 3 to 32 characters out of a-z, 0-9, _ and -")
    if folded in RESERVED_USERNAMES:
        raise InvalidAccount("this username is reserved")
    return folded


def attempted_username(text: str) -> str:
    """The name that a sign-in means; a malformed one is merely unknown, so it is never refused here."""
    return text.lower() if text.isascii() else text


def normalise_password(text: str) -> str:
    """The form of a password that is hashed: NFKC, as another keyboard may compose the same letters."""
    return unicodedata.normalize("NFKC", text)


def check_password(password: str, username: str) -> None:
    """Raise InvalidAccount when a normalised password is too short, too long or among the first guesses."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidAccount(
            f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters"
        )
    folded = password.casefold()
    if len(folded.replace(username, "")) < MIN_CHARACTERS_BESIDE_USERNAME:
        raise InvalidAccount("this password is too much like the username")
    if len(set(folded)) < MIN_DISTINCT_CHARACTERS or folded.strip() in COMMON_PASSWORDS:
        raise InvalidAccount("this password is among the first that attackers try")


def check_email(text: str | None) -> str | None:
    """An e-mail address as it is stored; only its outline is checked, since only a mail proves it."""
    if text is None:
        return None
    local, at, host = text.rpartition("@")
    if (
        len(text) > 254
        or not (local and at and "." in host.strip("."))
        or not text.isprintable()
        or " " in text
    ):
        raise InvalidAccount("this is not an e-mail address")
    return text


def check_new_token(token: NewApiToken, now: dt.datetime) -> NewApiToken:
    """The token with its name trimmed and its scopes once each; raises InvalidAccount."""
    name = token.name.strip()
    if not name or not name.isprintable():
        raise InvalidAccount("the name of a token is empty or has characters that do not print")
    if token.expires_at is not None and token.expires_at <= now:
        raise InvalidAccount("expires_at lies in the past")
    return msgspec.structs.replace(token, name=name, scopes=sorted(set(token.scopes)))


def same(one: bytes | None, other: bytes) -> bool:
    """Equality in constant time; None is never equal."""
    return one is not None and secrets.compare_digest(one, other)


def scope_claim(scopes: Iterable[str]) -> str:
    return " ".join(sorted(scopes))


def judge_refresh(
    session: StoredSession,
    *,
    presented: bytes,
    following: bytes,
    request_key: bytes | None,
    now: dt.datetime,
) -> Verdict:
    """What a refresh token deserves, given the hash of its secret and of the one that would follow it.

    Only the latest token of a family is good, and only once. An old one means that two hold the family,
    one of them a thief, and nobody can tell which: the family ends. There is no grace for two refreshes
    at the same time either, since that is what a thief's would look like. Who may lose an answer, or has
    several tabs, says so beforehand by an Idempotency-Key: the very same request is then answered the
    same for a minute, as long as the new token was not used. A thief does not know the key.
    """
    if session.expires_at <= now:
        return Verdict.EXPIRED
    if same(session.secret_hash, presented):
        repeated_key = request_key is not None and same(session.request_key, request_key)
        return Verdict.KEY_REUSED if repeated_key else Verdict.ROTATE
    if (
        request_key is not None
        and same(session.request_key, request_key)
        and same(session.previous_hash, presented)
        and same(session.secret_hash, following)
        and now - session.refreshed_at <= REFRESH_REPEATABLE
    ):
        return Verdict.REPEAT
    return Verdict.REUSED


def session_expiry(now: dt.datetime, ends_at: dt.datetime) -> dt.datetime:
    """Until when a session lives that was used now."""
    return min(now + SESSION_IDLE, ends_at)


def shorten_user_agent(text: str) -> str:
    """What of a User-Agent header is kept to tell one's sessions apart."""
    return "".join(character for character in text if character.isprintable())[:200]
