"""The refusals of this service that the kit has no class for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.kit.errors import Forbidden, Unauthenticated, Unprocessable
from services.users.domain import InvalidAccount


class InvalidField(Unprocessable):
    """A field breaks a rule; `pointer` is its place (JSON Pointer)."""

    title = "Invalid field"


class InvalidCredentials(Unauthenticated):
    """The same for an unknown user and a wrong password, for an unknown, a revoked and an expired token."""

    title = "Invalid credentials"


class InvalidRefreshToken(Unauthenticated):
    """Unknown, expired, or used already: sign in again."""

    title = "Invalid refresh token"


class WrongPassword(Forbidden):
    """403 and not 401: the access token is good, so there is no use in renewing it."""

    title = "Wrong password"


class SessionRequired(Forbidden):
    """An API token cannot make others or end sessions, nor can a session that was ended."""

    title = "A signed-in session is required"


class SignUpsClosed(Forbidden):
    """SIGN_UPS_OPEN is off: who has an account signs in as ever."""

    title = "Sign-ups are closed"


class FreshSignInRequired(Forbidden):
    """403: the session is good, but whoever has it must show again that he is the owner."""

    title = "A fresh sign-in is required"


@contextmanager
def field_checked(pointer: str) -> Iterator[None]:
    """Turn a broken rule of the domain into the answer that names the field."""
    try:
        yield
    except InvalidAccount as error:
        raise InvalidField(str(error), pointer=pointer) from error
