"""The settings in force, replaced as a whole; what became of each configuration is logged and counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.kit.live.reading import live_names, read
from services.kit.settings import InvalidSettings, ServiceSettings

S = TypeVar("S", bound=ServiceSettings)
Follower = Callable[[S, S], None]

_log = structlog.get_logger(__name__)


class Live(Generic[S]):
    """The settings in force: `now`, a frozen struct that is replaced as a whole."""

    def __init__(self, given: S, registry: CollectorRegistry) -> None:
        self._given = given
        self._followers: list[Follower[S]] = []
        self.now = given
        self.refused = ""
        self.hash = ""
        self._successful = Gauge(
            "config_last_reload_successful",
            "Whether the runtime configuration that was last found is in force.",
            registry=registry,
        )
        self._successful.set(1)
        self._hash = Gauge(
            "config_hash",
            "A number made of the runtime configuration in force.",
            registry=registry,
        )
        self._reloads = Counter(
            "config_reloads",
            "Runtime configurations that were found, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("applied", "refused"):
            self._reloads.labels(outcome)

    def follow(self, follower: Follower[S]) -> None:
        """Call it with the settings before and after each change; it must not fail."""
        self._followers.append(follower)

    def offer(self, text: str) -> bool:
        """Put the configuration in `text` in force, or refuse all of it; whether it is in force."""
        return self.settle(text, self.judged(text))

    def judged(self, text: str) -> S | InvalidSettings:
        """What the settings would be, or why not; changes nothing, so any thread may ask."""
        try:
            return read(text, self._given)
        except InvalidSettings as error:
            return error
        except Exception as error:
            # Whatever a file says, the next one is looked at.
            return _unexpected(error)

    def settle(self, text: str, verdict: S | InvalidSettings) -> bool:
        """Do as was judged of `text`; whether it is in force."""
        if isinstance(verdict, InvalidSettings):
            return self._refuse(verdict)
        before = self.now
        try:
            self._put(before, verdict)
        except Exception as error:
            return self._refuse(_unexpected(error))
        self.refused, self.hash = "", hashlib.sha256(text.encode()).hexdigest()[:12]
        self._successful.set(1)
        self._hash.set(int(self.hash, 16))
        self._reloads.labels("applied").inc()
        _log.info("configuration in force", hash=self.hash, changes=_changes(before, verdict))
        return True

    def _put(self, before: S, after: S) -> None:
        """Tell every follower; when one fails, those that were told are told to go back."""
        self.now = after
        told = []
        try:
            for follower in self._followers:
                told.append(follower)
                follower(before, after)
        except Exception:
            self.now = before
            for follower in told[:-1]:
                follower(after, before)
            raise

    def _refuse(self, error: InvalidSettings) -> bool:
        self.refused = str(error)
        self._successful.set(0)
        self._reloads.labels("refused").inc()
        _log.error("configuration refused", error=self.refused, in_force=self.hash)
        return False

    def shown(self) -> dict[str, Any]:
        """What is in force, and why what was found last is not, if so."""
        values = {name.upper(): getattr(self.now, name) for name in live_names(type(self.now))}
        return {"hash": self.hash, "refused": self.refused, "settings": values}


def _unexpected(error: Exception) -> InvalidSettings:
    _log.error("configuration not judged", exc_info=error)
    return InvalidSettings(f"this could not be judged ({type(error).__name__})")


def _changes(before: ServiceSettings, after: ServiceSettings) -> dict[str, Any]:
    """The settings that are not what they were."""
    return {
        name.upper(): getattr(after, name)
        for name in live_names(type(after))
        if getattr(before, name) != getattr(after, name)
    }
