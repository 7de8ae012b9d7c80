"""The OpenAPI descriptions of all services made one document, and that document made chapters to read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.kit.errors import Problem
from services.kit.http import HttpClient
from services.kit.serving import openapi

Document = dict[str, Any]

# Descriptions change with a release only.
KEPT_S = 300.0
KEPT_WITHOUT_ALL_S = 5.0
ASKED_S = 3.0
TITLE = "Delinkcious"
ABOUT = """\
The interface of Delinkcious for programs. Sign in (`POST /api/v1/sessions`) by name and password or with a
personal API token; send the access token as `Authorization: Bearer ...`. Every list is paged by `cursor` and
`next`; every write takes an `Idempotency-Key`; every error is `application/problem+json`."""

_REF = "#/components/schemas/"


@dataclass
class Reference:
    """Asks each service (`urls`: name -> address) for its description, and keeps the answers for a while."""

    http: HttpClient
    urls: Mapping[str, str]
    own: Document
    _kept: dict[str, Document] = field(default_factory=dict)
    _until: float = 0.0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def document(self) -> Document:
        """The whole; `x-away` names the services whose part is missing, since they did not answer."""
        # Whoever comes while somebody asks takes what there is: a service that hangs must hold up nobody.
        if time.monotonic() >= self._until and not self._asking.locked():
            async with self._asking:
                await asyncio.gather(*(self._ask(name, url) for name, url in self.urls.items()))
                whole = len(self._kept) == len(self.urls)
                self._until = time.monotonic() + (KEPT_S if whole else KEPT_WITHOUT_ALL_S)
        parts = {name: self._kept[name] for name in self.urls if name in self._kept}
        away = [name for name in self.urls if name not in parts]
        return merged({**parts, "web": self.own}) | ({"x-away": away} if away else {})

    async def _ask(self, name: str, url: str) -> None:
        try:
            async with asyncio.timeout(ASKED_S):
                self._kept[name] = await self.http.call("GET", f"{url}/openapi.json", Document)
        except (Problem, TimeoutError):
            # What it said before stays true until it says otherwise.
            return


def merged(parts: Mapping[str, Document]) -> Document:
    """One document of several, by the services' names; what two call alike is told apart by them."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for service, part in parts.items():
        own = part.get("components", {}).get("schemas", {})
        names = {name: _name(service, name, schema, schemas) for name, schema in own.items()}
        for name, schema in own.items():
            schemas[names[name]] = _renamed(schema, names)
        for path, operations in part.get("paths", {}).items():
            for method, operation in operations.items():
                told = _renamed(operation, names)
                told["operationId"] = f"{service.replace('-', '_')}_{operation['operationId']}"
                paths.setdefault(path, {})[method] = told
    security = {"accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1", "description": ABOUT},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": security},
    }


def _name(service: str, name: str, schema: object, taken: Mapping[str, object]) -> str:
    if name not in taken or taken[name] == schema:
        return name
    return f"{service.replace('-', '_')}_{name}"


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _REF + names.get(inner.removeprefix(_REF), inner.removeprefix(_REF))
            if key == "$ref" and isinstance(inner, str)
            else _renamed(inner, names)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return value


class Parameter(msgspec.Struct, frozen=True):
    name: str
    place: str
    kind: str
    required: bool


class Operation(msgspec.Struct, frozen=True):
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    scope: str
    parameters: list[Parameter]
    body: str
    answers: list[tuple[str, str, str]]


class Chapter(msgspec.Struct, frozen=True):
    title: str
    operations: list[Operation]


def chapters(document: Document) -> list[Chapter]:
    """The operations by their tags, in the order of their paths."""
    found: dict[str, list[Operation]] = {}
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            found.setdefault(tag, []).append(_operation(method.upper(), path, operation, schemas))
    return [Chapter(tag, operations) for tag, operations in sorted(found.items())]


def _operation(method: str, path: str, told: Document, schemas: Mapping[str, Document]) -> Operation:
    needed = [scope for each in told.get("security", []) for scope in each.get("accessToken", [])]
    body = told.get("requestBody", {}).get("content", {})
    return Operation(
        id=told["operationId"],
        method=method,
        path=path,
        summary=told.get("summary", ""),
        scope=needed[0] if needed else "",
        parameters=[
            Parameter(each["name"], each["in"], _kind(each["schema"]), each.get("required", False))
            for each in told.get("parameters", [])
        ],
        body=_shape(next(iter(body.values()))["schema"], schemas) if body else "",
        answers=[
            (status, answer.get("description", ""), _answer(answer, schemas))
            for status, answer in sorted(told.get("responses", {}).items())
        ],
    )


def _answer(answer: Document, schemas: Mapping[str, Document]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return _shape(schema, schemas) if schema else ""


def _shape(schema: Document, schemas: Mapping[str, Document]) -> str:
    """An object's fields, one a line; another kind's name."""
    named = schemas.get(schema.get("$ref", "").removeprefix(_REF), schema)
    fields = named.get("properties")
    if not fields:
        return _kind(schema)
    required = named.get("required", [])
    lines = [f"{name}{'' if name in required else '?'}: {_kind(kind)}" for name, kind in fields.items()]
    return "\n".join(lines)


def _kind(schema: Document) -> str:
    """The kind of a value in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(_REF))
    if "enum" in schema:
        return " | ".join(json_text(value) for value in schema["enum"])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(_kind(option) for option in options)
    kind = schema.get("type", "any")
    if kind == "array":
        return f"{_kind(schema.get('items') or {})}[]"
    return str(schema.get("format", kind))


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def encoded(document: Document) -> bytes:
    return msgspec.json.encode(document)


def own_description(service: str, version: str, endpoints: Any) -> Document:
    """This service's own part."""
    return openapi.describe(service, version, endpoints)
