"""What an outcome means for a link, and when to look again (pure)."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

Health = Literal["unknown", "alive", "dead"]

# However soon a busy server says it will be back.
SOONEST_S = 60.0
# Of a backfill, in one page: followed one by one, well within a request's deadline.
OLDER_LINKS = 100
WAYBACK = "https://web.archive.org/web/"


class Finding(enum.Enum):
    """What one check found; the value is the reason that an owner is told."""

    ANSWERED = ""
    # These may mean that a link is dead, when they last.
    NOT_FOUND = "not-found"
    GONE = "gone"
    SERVER_ERROR = "server-error"
    NO_PUBLIC_ADDRESS = "no-public-address"
    CONNECTION = "connection-failed"
    TLS = "tls-error"
    TIMEOUT = "timeout"
    BAD_ANSWER = "bad-answer"
    # These say nothing about the link.
    BUSY = "busy"
    UNCLEAR = "unclear"
    # These mean that we cannot know.
    REDIRECTS = "redirects"
    ROBOTS = "robots"
    REFUSED = "refused"


FAILURES = frozenset(
    (
        Finding.NOT_FOUND,
        Finding.GONE,
        Finding.SERVER_ERROR,
        Finding.NO_PUBLIC_ADDRESS,
        Finding.CONNECTION,
        Finding.TLS,
        Finding.TIMEOUT,
        Finding.BAD_ANSWER,
    )
)
UNKNOWABLE = frozenset((Finding.REDIRECTS, Finding.ROBOTS, Finding.REFUSED))
# What a broken line of our own looks like, too.
OF_THE_NETWORK = frozenset((Finding.CONNECTION, Finding.TIMEOUT, Finding.NO_PUBLIC_ADDRESS))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One check: the `status` of the last answer; `detail` is for the log.

    `retry_after_s`: when this address may be asked again; `pause_s`: when its host may.
    """

    finding: Finding
    status: int | None = None
    suggested_url: str | None = None
    title: str | None = None
    description: str | None = None
    retry_after_s: float | None = None
    pause_s: float = 0.0
    detail: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an address.

    `failures` in a row since `failing_since`; `quiet` successes or failures in a row that changed nothing,
    which the interval grows with.
    """

    health: Health = "unknown"
    reason: str = ""
    failures: int = 0
    failing_since: dt.datetime | None = None
    quiet: int = 0
    suggested_url: str | None = None
    title: str | None = None
    description: str | None = None
    checked_at: dt.datetime | None = None
    next_check_at: dt.datetime | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When to look again. Intervals double from `first` to `longest`, each `jitter` more or less.

    A link is dead after `dead_after_failures` in a row that span at least `dead_after`; until then it is
    looked at every `retry`.
    """

    first: dt.timedelta = dt.timedelta(days=1)
    longest: dt.timedelta = dt.timedelta(days=30)
    retry: dt.timedelta = dt.timedelta(hours=8)
    dead_after_failures: int = 4
    dead_after: dt.timedelta = dt.timedelta(days=3)
    jitter: float = 0.2


class PageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, Meta(min_length=1, max_length=8_192)]


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it describes itself; `url` is where its address leads for good."""

    url: str
    title: str | None = None
    description: str | None = None
    image: str | None = None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A link among all, in the order of (owner_id, link_id); zeros stand before the first."""

    owner_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    link_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class KnownLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link as its owning service has it now."""

    owner_id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    id: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    url: Annotated[str, Meta(min_length=1, max_length=8_192)]
    version: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class OlderLinks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that follow `after`, in order; the `last` page ends the backfill."""

    after: Place
    links: Annotated[list[KnownLink], Meta(max_length=OLDER_LINKS)]
    last: bool


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backfill is: the page behind `after` comes next, unless it is done."""

    after: Place
    done: bool


def after(state: State, outcome: Outcome, schedule: Schedule, now: dt.datetime, chance: float) -> State:
    """The state after a check at `now`; `chance` (0 to 1) places it within the jitter."""
    if outcome.finding in (Finding.BUSY, Finding.UNCLEAR):
        # It said nothing: the state stays, the check is due again after what was asked for.
        if outcome.retry_after_s is None:
            return _due(state, schedule.retry, schedule, now, chance)
        asked = dt.timedelta(seconds=max(outcome.retry_after_s, SOONEST_S))
        return _due(state, asked, schedule, now, chance)
    if outcome.finding in UNKNOWABLE:
        changed = (state.health, state.reason) != ("unknown", outcome.finding.value)
        found = msgspec.structs.replace(
            state, health="unknown", reason=outcome.finding.value, failures=0, failing_since=None
        )
    elif outcome.finding in FAILURES:
        found = _failed(state, outcome.finding, schedule, now)
        changed = found.health != state.health
        if found.health != "dead":
            return _due(_checked(found, 0, now), schedule.retry, schedule, now, chance)
    else:
        changed = state.health != "alive" or state.failures > 0
        found = _answered(state, outcome)
    quiet = 0 if changed else min(state.quiet + 1, 30)
    pause = min(schedule.first * 2**quiet, schedule.longest)
    if outcome.retry_after_s is not None:
        pause = max(pause, dt.timedelta(seconds=outcome.retry_after_s))
    return _due(_checked(found, quiet, now), pause, schedule, now, chance)


def _failed(state: State, finding: Finding, schedule: Schedule, now: dt.datetime) -> State:
    since = state.failing_since or now
    failures = state.failures + 1
    found = msgspec.structs.replace(state, failures=failures, failing_since=since)
    lasting = failures >= schedule.dead_after_failures and now - since >= schedule.dead_after
    if state.health == "dead" or lasting:
        return msgspec.structs.replace(found, health="dead", reason=finding.value, suggested_url=None)
    return found


def _answered(state: State, outcome: Outcome) -> State:
    return msgspec.structs.replace(
        state,
        health="alive",
        reason="",
        failures=0,
        failing_since=None,
        suggested_url=outcome.suggested_url,
        title=state.title or outcome.title,
        description=state.description or outcome.description,
    )


def _checked(state: State, quiet: int, now: dt.datetime) -> State:
    return msgspec.structs.replace(state, quiet=quiet, checked_at=now)


def _due(state: State, pause: dt.timedelta, schedule: Schedule, now: dt.datetime, chance: float) -> State:
    factor = 1 + schedule.jitter * (2 * chance - 1)
    return msgspec.structs.replace(state, next_check_at=now + pause * factor)


def told(state: State) -> tuple[Health, str, str | None]:
    """What an owner sees of a state: an event tells when it changes."""
    return state.health, state.reason, state.suggested_url


def suggestion(url: str, moved_to: str | None) -> str | None:
    """The address to suggest instead of `url`: where permanent redirects lead.

    Not a site's front page for one of its pages (that is how many sites say "not found"), no step back from
    https, and not what differs in its fragment only; the fragment goes along.
    """
    if moved_to is None or (url.startswith("https:") and not moved_to.startswith("https:")):
        return None
    before, after_ = urlsplit(url), urlsplit(moved_to)
    if after_.path in ("", "/") and not after_.query and (before.path not in ("", "/") or before.query):
        return None
    plain = url.partition("#")[0]
    if moved_to == plain:
        return None
    return f"{moved_to}#{before.fragment}" if before.fragment else moved_to


def snapshot(url: str) -> str:
    """Where the Internet Archive would have a dead page: an address to offer, not one that was asked."""
    return WAYBACK + url


class Line:
    """Whether our own line to the world seems broken: the last `most` hosts all failed by the network.

    While it does, such failures count for nothing.
    """

    def __init__(self, most: int = 12) -> None:
        self._most = most
        self._last: dict[str, bool] = {}

    def note(self, host: str, finding: Finding) -> None:
        """What the check of a host found."""
        self._last.pop(host, None)
        self._last[host] = finding in OF_THE_NETWORK
        while len(self._last) > self._most:
            del self._last[next(iter(self._last))]

    def seems_broken(self) -> bool:
        return len(self._last) >= self._most and all(self._last.values())
