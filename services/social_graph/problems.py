"""The refusals of this service that the kit has no class for."""

from __future__ import annotations

from services.kit.errors import Conflict, Forbidden, Unprocessable


class Oneself(Unprocessable):
    """Nobody follows or blocks themselves."""

    title = "That is yourself"


class FollowRefused(Forbidden):
    """One of the two blocks the other: the same words whichever it is, and whoever asks."""

    title = "These two cannot follow each other"


class QuotaExceeded(Conflict):
    """The caller follows, or blocks, as many people as one may; `limit` says how many that is."""

    title = "Too many people"
