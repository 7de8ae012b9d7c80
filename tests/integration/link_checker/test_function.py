"""The function under the contract of Nuclio's Python wrapper: its entry points, its context, its events."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from services.link_checker.fetching.addresses import Guard
from tests.integration.link_checker.conftest import NewSite
from tests.integration.link_checker.site import page

pytestmark = pytest.mark.anyio
FUNCTION = Path("services/link_checker/function/function.yaml")
HTML = b"<title>A page</title>"


class Response:
    """What a handler returns; the wrapper takes these attributes."""

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "text/plain",
        status_code: int = 200,
    ) -> None:
        self.headers = headers or {}
        self.body = body
        self.content_type = content_type
        self.status_code = status_code


class Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, *_: object) -> None:
        self.lines.append(message)

    def info_with(self, message: str, **values: object) -> None:
        self.lines.append(f"{message} {values}")


class Context:
    """A worker's context: the same object for every event of it."""

    def __init__(self) -> None:
        self.logger = Logger()
        self.user_data = SimpleNamespace()
        self.Response = Response
        self.worker_id = 0


class Event:
    """An event: JSON bodies come decoded, when the content type says so and they are right."""

    def __init__(self, body: bytes, content_type: str = "application/json") -> None:
        self.content_type = content_type
        self.headers: dict[str, str] = {}
        self.method = "POST"
        self.path = "/"
        self.body: Any = body
        if content_type == "application/json":
            try:
                self.body = json.loads(body)
            except ValueError:
                self.body = body


class Worker:
    """What the wrapper does with a function: find it, prepare it, call it, encode what it returns."""

    def __init__(self, spec: str, guard: Guard) -> None:
        found = re.match(r"^([\w|-]+(\.[\w|-]+)*):(\w+)$", spec)
        assert found is not None
        module = importlib.import_module(found[1])
        self.entrypoint = getattr(module, found[3])
        self.context = Context()
        assert callable(module.init_context)
        module.init_context(self.context, guard)  # Nuclio gives the context alone

    def call(self, event: Event) -> tuple[int, Any]:
        response = self.entrypoint(self.context, event)
        assert isinstance(response, Response)
        assert response.content_type == "application/json"
        assert isinstance(response.body, str)
        json.dumps({"headers": response.headers, "status_code": response.status_code})
        return response.status_code, json.loads(response.body)


@pytest.fixture
def spec(repository: Path) -> Mapping[str, Any]:
    document = yaml.safe_load((repository / FUNCTION).read_text())
    assert (document["apiVersion"], document["kind"]) == ("nuclio.io/v1", "NuclioFunction")
    found: Mapping[str, Any] = document["spec"]
    return found


async def test_the_function_checks_a_link(new_site: NewSite, spec: Mapping[str, Any]) -> None:
    site = await new_site({"/": page(HTML)})
    guard = Guard(UNSAFE_reachable_in_tests=frozenset((site.address,)))
    worker = await asyncio.to_thread(Worker, spec["handler"], guard)
    for body in ({"url": site.url()}, {"type": "delinkcious.link.saved.v1", "data": {"url": site.url()}}):
        for kind in ("application/json", "text/plain"):
            event = Event(json.dumps(body).encode(), kind)
            status, found = await asyncio.to_thread(worker.call, event)
            assert status == 200
            assert (found["url"], found["health"], found["reason"]) == (site.url(), "alive", "")
            assert (found["status"], found["title"]) == (200, "A page")
    assert any("answered" in line for line in worker.context.logger.lines)


async def test_the_function_may_be_called_within_a_running_loop(
    new_site: NewSite, spec: Mapping[str, Any]
) -> None:
    """Newer wrappers call it so; it must not try to run a loop in theirs."""
    site = await new_site({})
    worker = await asyncio.to_thread(Worker, spec["handler"], Guard())

    def as_the_wrapper() -> tuple[int, Any]:
        async def serve() -> tuple[int, Any]:
            return worker.call(Event(json.dumps({"url": site.url()}).encode()))

        return asyncio.run(serve())

    status, found = await asyncio.to_thread(as_the_wrapper)
    assert (status, found["health"], found["reason"]) == (200, "unknown", "refused")
    assert site.connections == 0


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"url": 1}', b'{"url": ""}', b"\xff", b"x" * 99_999]
)
async def test_what_is_no_order_is_a_400(spec: Mapping[str, Any], body: bytes) -> None:
    worker = await asyncio.to_thread(Worker, spec["handler"], Guard())
    for kind in ("application/json", "application/octet-stream"):
        status, answer = worker.call(Event(body, kind))
        assert status == 400
        assert answer["error"]
