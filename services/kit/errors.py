"""The errors a client may see, and the one place where they become a response.

Problem
 +- BadRequest 400             +- UnsupportedMediaType 415
 +- Unauthenticated 401        +- Unprocessable 422
 +- Forbidden 403              +- FailedDependency 424
 +- NotFound 404               +- PreconditionRequired 428
 +- MethodNotAllowed 405       +- TooManyRequests 429
 +- Conflict 409               +- InternalError 500
 +- PreconditionFailed 412     +- BadGateway 502
 +- PayloadTooLarge 413        +- Unavailable 503
 +- UriTooLong 414             +- DeadlineExceeded 504

A service subclasses the fitting one; the class's name is the problem's type (`NameTaken` -> `name-taken`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.traces import current_trace_id, refuse

TYPE_PREFIX = "https://delinkcious.example/problems/"
MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Problem(Exception):
    """An answer that is not a success: `detail` says what went wrong here, `members` are added to the JSON.

    `retry_after_s` and `headers` become response headers; status and title stand on the class. `type` tells
    problems of one status apart: the class's own, or what a peer has called it.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        self.members = members
        self.type = self.slug()
        if retry_after_s is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))

    @classmethod
    def slug(cls) -> str:
        return _WORD_START.sub("-", cls.__name__).lower()

    @property
    def error_type(self) -> str:
        """What a span says of it (`error.type`)."""
        return self.slug()

    def document(self) -> dict[str, object]:
        """The RFC 9457 object."""
        return {
            "type": TYPE_PREFIX + self.slug(),
            "title": self.title,
            "status": self.status,
            **({"detail": self.detail} if self.detail else {}),
            **self.members,
        }


class BadRequest(Problem):
    status = 400
    title = "Bad request"


class Unauthenticated(Problem):
    """No valid access token; RFC 6750 tells how the challenge looks."""

    status = 401
    title = "Unauthenticated"

    def __init__(self, detail: str = "", *, error: str | None = None) -> None:
        challenge = "Bearer" if error is None else f'Bearer error="{error}"'
        super().__init__(detail, headers={"www-authenticate": challenge})


class Forbidden(Problem):
    status = 403
    title = "Forbidden"


class NotFound(Problem):
    status = 404
    title = "Not found"


class MethodNotAllowed(Problem):
    status = 405
    title = "Method not allowed"


class Conflict(Problem):
    status = 409
    title = "Conflict"


class PreconditionFailed(Problem):
    status = 412
    title = "Precondition failed"


class PayloadTooLarge(Problem):
    status = 413
    title = "Payload too large"


class UriTooLong(Problem):
    status = 414
    title = "URI too long"


class UnsupportedMediaType(Problem):
    status = 415
    title = "Unsupported media type"


class Unprocessable(Problem):
    status = 422
    title = "Unprocessable content"


class FailedDependency(Problem):
    """Somebody outside is at fault. Never a 502 or 503: by those the mesh takes our own replicas out."""

    status = 424
    title = "Failed dependency"


class PreconditionRequired(Problem):
    status = 428
    title = "Precondition required"


class TooManyRequests(Problem):
    status = 429
    title = "Too many requests"


class InternalError(Problem):
    status = 500
    title = "Internal server error"


class BadGateway(Problem):
    status = 502
    title = "Bad gateway"


class Unavailable(Problem):
    status = 503
    title = "Service unavailable"

    def __init__(self, detail: str = "", *, retry_after_s: float = 1) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)


class DeadlineExceeded(Problem):
    status = 504
    title = "Deadline exceeded"


_BY_STATUS = {kind.status: kind for kind in Problem.__subclasses__()}


def by_status(status: int) -> type[Problem]:
    """The kit's class for an HTTP status; InternalError for one it does not know."""
    return _BY_STATUS.get(status, InternalError)


def render(problem: Problem) -> Response:
    """A problem as its response, with the trace id to ask about; the request's span gets its type."""
    note(problem)
    document = problem.document()
    if trace_id := current_trace_id():
        document["trace_id"] = trace_id
    return Response(msgspec.json.encode(document), problem.status, problem.headers, MEDIA_TYPE)


def note(problem: Problem) -> None:
    """Let the request's span say how it was answered; of an unknown error also where it came from."""
    cause = problem.__cause__ if isinstance(problem, InternalError) else None
    refuse(problem.error_type, failed=problem.status >= 500, cause=cause)


async def as_problem(request: Request, error: Exception) -> Response:
    """Turn the router's own refusals (404, 405) into problems; registered for starlette's HTTPException."""
    if isinstance(error, HTTPException):
        raise by_status(error.status_code)(headers=error.headers) from error
    raise error


# In a scope: what the server has found wrong with a request that it gives to the application all the same, so
# that it is counted, logged and answered as every other.
REFUSED = "refused_by_server"


class ProblemResponses:
    """The one place where an exception becomes a response: a problem as it is, the unknown as a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            if (refused := scope.get(REFUSED)) is not None:
                raise refused
            await self.app(scope, receive, watch)
            return
        except ClientDisconnect:
            return
        except Problem as error:
            problem = error
            if started:
                raise
        except Exception as error:
            # The boundary of the process: whatever it was, the client learns the trace id and no more.
            _log.exception("unhandled error")
            if started:
                raise
            problem = InternalError()
            problem.__cause__ = error
        await render(problem)(scope, receive, send)
