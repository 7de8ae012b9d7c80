"""The services' own OpenAPI documents, and requests made from them for the public edge."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.installation import Account, Installation, Json, application

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# An access token lasts ten minutes.
RENEWED_AFTER_S = 240.0
# What the gateway and the sidecars answer themselves is in no service's document.
BY_PROXIES = {401, 403, 404, 431}


def document(installation: Installation, workload: str) -> Json:
    """What a service says of itself."""
    address = application(installation.pod(workload))
    found: Json = httpx.get(f"{address}/openapi.json", trust_env=False).raise_for_status().json()
    return found


def conforms(
    installation: Installation, schema: Json, account: Account, examples: int
) -> tuple[int, Counter[int]]:
    """Call every operation at the edge with made-up requests and check each answer.

    How many operations there are, and how many answers of which status came.
    """
    count, statuses = 0, Counter[int]()
    headers, since = account.headers, time.monotonic()
    for found in schemathesis.openapi.from_dict(schema).get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        if time.monotonic() > since + RENEWED_AFTER_S:
            headers = {"authorization": f"Bearer {installation.token(account.name)}"}
            since = time.monotonic()
        statuses += _check(operation, installation, headers, examples)
        count += 1
    return count, statuses


def _check(
    operation: Any, installation: Installation, headers: dict[str, str], examples: int
) -> Counter[int]:
    authority = installation.told("ca").strip()
    statuses = Counter[int]()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        response = case.call(base_url=installation.url, headers=headers, verify=authority)
        statuses[response.status_code] += 1
        if response.status_code in BY_PROXIES and not _is_problem(response):
            return
        case.validate_response(response, checks=CHECKS)

    check()
    return statuses


def _is_problem(response: Any) -> bool:
    kind = next(iter(response.headers.get("content-type", [])), "")
    return str(kind).startswith(("application/problem+json", "application/json"))


@dataclass(frozen=True)
class Call:
    """An operation of a document with somebody's ids in its path."""

    method: str
    path: str
    operation: Json


def calls(schema: Json, ids: dict[str, list[str]]) -> Iterator[Call]:
    """Every operation whose path names a thing, once for each id of that kind (the parameter's name)."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            if not names:
                continue
            assert len(names) == 1, f"{path}: say how to fill it"
            assert names[0] in ids, f"{path}: no id of the other user is known for {names[0]}"
            for value in ids[names[0]]:
                yield Call(method.upper(), path.replace(f"{{{names[0]}}}", value), operation)


def body_of(call: Call, schema: Json) -> bytes | None:
    """A small valid body, so that a refusal is one of authority and not of form."""
    content = call.operation.get("requestBody", {}).get("content", {})
    described = content.get("application/json")
    if described is None:
        return None
    return json.dumps(_example(described["schema"], schema)).encode()


def _example(described: Json, schema: Json) -> Any:
    if "$ref" in described:
        return _example(schema["components"]["schemas"][described["$ref"].rpartition("/")[2]], schema)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in described:
            return _example(described[several][0], schema)
    if "enum" in described:
        return described["enum"][0]
    if "const" in described:
        return described["const"]
    kind = described.get("type")
    if kind == "object":
        required = described.get("required") or list(described.get("properties", {}))[:1]
        return {name: _example(described["properties"][name], schema) for name in required}
    if kind == "array":
        return [_example(described["items"], schema)] if described.get("minItems") else []
    examples = {"integer": 1, "number": 1, "boolean": True, "string": "changed-by-another", "null": None}
    return examples.get(str(kind), "changed-by-another")
