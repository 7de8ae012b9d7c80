"""The OpenAPI 3.1 description of an interface, made from the very table that serves it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.kit import errors
from services.kit.endpoint import Access, Created, Endpoint, NoContent, Reply
from services.kit.errors import Problem
from services.kit.serving.arguments import Signature
from services.kit.settings import Secret

_PATH_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
PATH = "/openapi.json"
_REF = "#/components/schemas/{name}"

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457; a problem may have more members than these.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request is answered as the first time, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def describe(service: str, version: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of a service."""
    signatures = [(endpoint, Signature.of(endpoint)) for endpoint in endpoints]
    kinds = [kind for _, signature in signatures for kind in _kinds(signature)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF, schema_hook=_schema_of)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, signature in signatures:
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(
            endpoint, signature, by_kind, components
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": service, "version": version},
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": PROBLEM_SCHEMA},
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string", "format": "password"}
    raise NotImplementedError(f"no schema for {kind}")


def route(document: bytes, path: str = PATH) -> Route:
    """Where the description is served."""

    async def openapi(_: Request) -> Response:
        return Response(document, media_type="application/json")

    return Route(path, openapi)


def _kinds(signature: Signature) -> list[Any]:
    answers = [kind for _, kind in _answers(signature.returns, 200)]
    kinds = [signature.body, signature.query, signature.headers, *answers]
    return [kind for kind in kinds if kind is not None]


def _answers(returns: Any, status: int) -> list[tuple[int, Any]]:
    """The status and the JSON type (None: no JSON) of everything that a handler may return."""
    origin = get_origin(returns)
    if origin in (Union, UnionType):
        options = get_args(returns)
        if any(get_origin(option) in (Created, Reply) or option is NoContent for option in options):
            return [answer for option in options for answer in _answers(option, status)]
    if origin is Created:
        return [(201, get_args(returns)[0])]
    if origin is Reply:
        return [(status, get_args(returns)[0])]
    if returns in (None, type(None), NoContent):
        return [(204, None)]
    if isinstance(returns, type) and issubclass(returns, Response):
        return [(status, None)]
    return [(status, returns)]


def _operation(
    endpoint: Endpoint, signature: Signature, by_kind: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    words = (endpoint.handler.__doc__ or "").strip()
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": words.split("\n", 1)[0],
        "parameters": _parameters(endpoint, signature, by_kind, components),
        "responses": _responses(endpoint, signature, by_kind),
    }
    if endpoint.tag:
        operation["tags"] = [endpoint.tag]
    if signature.body is not None:
        content = {"application/json": {"schema": by_kind[repr(signature.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    elif signature.streams:
        anything = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": anything}
    if endpoint.access is not Access.PUBLIC:
        operation["security"] = [{"accessToken": [endpoint.access.value]}]
    elif signature.principal:
        operation["security"] = [{}, {"accessToken": []}]
    return operation


def _parameters(
    endpoint: Endpoint, signature: Signature, by_kind: dict[str, Any], components: dict[str, Any]
) -> list[dict[str, Any]]:
    parameters = []
    for name, kind in _PATH_PARAMETER.findall(endpoint.path):
        schema: dict[str, Any] = {"type": "string"}
        if kind == "int":
            schema = {"type": "integer", "format": "int64", "minimum": 1}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    for where, struct in (("query", signature.query), ("header", signature.headers)):
        if struct is None:
            continue
        schema = components[by_kind[repr(struct)]["$ref"].rsplit("/", 1)[1]]
        for name, value in schema["properties"].items():
            parameters.append(
                {
                    "name": name if where == "query" else name.replace("_", "-").title(),
                    "in": where,
                    "required": name in schema.get("required", ()),
                    "schema": value,
                }
            )
    if endpoint.takes_key:
        parameters.append(IDEMPOTENCY_KEY)
    return parameters


def _responses(endpoint: Endpoint, signature: Signature, by_kind: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in _answers(signature.returns, endpoint.status):
        responses[str(status)] = {"description": "Created" if status == 201 else "Done"}
        if answer is not None:
            content = {"application/json": {"schema": by_kind[repr(answer)]}}
            responses[str(status)]["content"] = content
    problems = _problems(endpoint, signature)
    for status in sorted({problem.status for problem in problems}):
        alike = sorted({f"`{problem.slug()}`" for problem in problems if problem.status == status})
        responses[str(status)] = {
            "description": f"{errors.by_status(status).title}: {', '.join(alike)}",
            "content": {errors.MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
        if status in (429, 503):
            seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait"}
            responses[str(status)]["headers"] = {"Retry-After": seconds}
    return responses


def _problems(endpoint: Endpoint, signature: Signature) -> set[type[Problem]]:
    problems: set[type[Problem]] = {
        *endpoint.raises,
        errors.BadRequest,
        errors.InternalError,
        errors.Unavailable,
        errors.DeadlineExceeded,
    }
    if endpoint.access is not Access.PUBLIC:
        problems |= {errors.Unauthenticated, errors.Forbidden}
    if signature.body is not None:
        problems |= {errors.PayloadTooLarge, errors.UnsupportedMediaType}
    if signature.path:
        problems.add(errors.NotFound)
    if endpoint.takes_key:
        problems |= {errors.Conflict, errors.Unprocessable, errors.TooManyRequests}
    return problems
