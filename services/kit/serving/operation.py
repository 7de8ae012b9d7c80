"""One endpoint at work: identify, read, admit, run once and in time, answer."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.kit import deadline, http
from services.kit.auth import Principal, Verifier
from services.kit.db import Database
from services.kit.endpoint import Access, Endpoint
from services.kit.errors import Forbidden, InternalError, Unauthenticated
from services.kit.serving import arguments
from services.kit.serving.admission import Admission
from services.kit.serving.answers import respond
from services.kit.serving.arguments import Signature
from services.kit.serving.idempotency import answer_once, fingerprint, read_key, scope_of
from services.kit.serving.turns import Turns
from services.kit.settings import Secret

NO_SECRET = Secret("")
Read = Callable[[Scope], msgspec.Struct]


@dataclass
class Running:
    """What the endpoints of an application share; complete once its lifespan has begun."""

    admission: Admission
    turns: Turns
    deps: Any = None
    database: Database | None = None
    verifier: Verifier | None = None
    service_token: Secret = NO_SECRET
    draining: bool = field(default=False)

    def check_service_token(self, shown: str | None) -> None:
        """Raise Unauthenticated unless it is the installation's."""
        given = (shown or "").encode()
        if not any(hmac.compare_digest(one.encode(), given) for one in self.service_token.several()):
            raise Unauthenticated("only services may call this")


class Operation:
    """ASGI: an Endpoint of the table, bound to the running application."""

    def __init__(self, endpoint: Endpoint, running: Running) -> None:
        self.endpoint = endpoint
        self.running = running
        self.signature = Signature.of(endpoint)
        query, headers, body = self.signature.query, self.signature.headers, self.signature.body
        self._query: Read | None = arguments.query_reader(query) if query else None
        self._headers: Read | None = arguments.headers_reader(headers) if headers else None
        self._body = arguments.body_reader(body) if body else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        seconds = deadline.from_header(headers.get(deadline.HEADER), self.endpoint.deadline_s)
        async with deadline.deadline(seconds):
            http.pass_on(headers)
            receive = arguments.limited(scope, receive, self.endpoint.body_limit_bytes)
            principal = await self._identify(headers)
            given, content = await self._read(scope, receive, principal)
            # Not before: who sends slowly must not take the place of those who have sent.
            async with self.running.admission:
                response = await self._answer(scope, headers, principal, given, content)
                if scope["method"] == "HEAD":
                    # Its length stays in the header; the body stays here.
                    response.body = b""
                await response(scope, receive, send)

    async def _read(
        self, scope: Scope, receive: Receive, principal: Principal | None
    ) -> tuple[dict[str, Any], bytes]:
        """The handler's arguments, and the body as it was sent."""
        if principal is not None:
            scope["principal_id"] = principal.user_id
        given: dict[str, Any] = {}
        path = arguments.path_arguments(scope)
        for name in self.signature.path:
            given[name] = path[name]
        if self.signature.principal:
            given["principal"] = principal
        if self._query is not None:
            given["query"] = self._query(scope)
        if self._headers is not None:
            given["headers"] = self._headers(scope)
        content = b""
        if self._body is not None:
            arguments.check_json(scope)
            content = await arguments.read_body(scope, receive)
            given["body"] = self._body(content)
        if self.signature.request:
            given["request"] = Request(scope, receive)
        return given, content

    async def _answer(
        self,
        scope: Scope,
        headers: Headers,
        principal: Principal | None,
        given: dict[str, Any],
        content: bytes,
    ) -> Response:
        handle = partial(self._handle, headers, given)
        if not self.endpoint.takes_key:
            return await handle()
        key = read_key(headers)
        async with nullcontext() if principal is None else self.running.turns.of(principal.user_id):
            if key is None:
                return await handle()
            return await self._once(scope, headers, principal, key, content, handle)

    async def _handle(self, headers: Headers, given: dict[str, Any]) -> Response:
        result = await self.endpoint.handler(self.running.deps, **given)
        return respond(result, self.endpoint.status, headers, reading=self.endpoint.method == "GET")

    async def _identify(self, headers: Headers) -> Principal | None:
        access = self.endpoint.access
        if access is Access.INTERNAL:
            self.running.check_service_token(headers.get(http.SERVICE_TOKEN))
            return None
        authorization = headers.get("authorization")
        if access is Access.PUBLIC and (authorization is None or not self.signature.principal):
            return None
        if self.running.verifier is None:
            raise InternalError
        principal = await self.running.verifier.principal(authorization)
        if access.value and access.value not in principal.scopes:
            raise Forbidden(
                f"the token lacks the scope `{access.value}`",
                headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{access.value}"'},
            )
        return principal

    async def _once(
        self,
        scope: Scope,
        headers: Headers,
        principal: Principal | None,
        key: str,
        content: bytes,
        handle: partial[Any],
    ) -> Response:
        if self.running.database is None:
            raise InternalError
        where = f"{scope['method']} {scope['path']}"
        request = fingerprint(
            where.encode(),
            scope["query_string"],
            headers.get("if-match", "").encode(),
            content,
        )
        sender = f"public {where}" if principal is None else scope_of(principal.user_id)
        return await answer_once(self.running.database, sender, key, request, handle)
