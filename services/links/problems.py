"""The refusals of this service that the kit has no class for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.kit.errors import Conflict, Unprocessable
from services.links.domain import Invalid


class QuotaExceeded(Conflict):
    """The owner has as many links as one account may have."""

    title = "Too many links"


class InvalidField(Unprocessable):
    """A field breaks a rule; `pointer` is its place (JSON Pointer), `reason` the rule."""

    title = "Invalid field"


@contextmanager
def fields_checked() -> Iterator[None]:
    """Turn a broken rule of the domain into the answer that names the field."""
    try:
        yield
    except Invalid as error:
        raise InvalidField(str(error), pointer=error.pointer, reason=error.reason) from error
