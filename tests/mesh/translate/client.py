"""A plain HTTP client, so that a test sees exactly what came over the wire."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a client saw. `pod` is who answered; `echo` is what reached it (empty when no pod did)."""

    status: int
    headers: Mapping[str, str]
    body: str
    took_s: float

    @property
    def echo(self) -> dict[str, Any]:
        return dict(json.loads(self.body)) if self.body.startswith("{") else {}

    @property
    def pod(self) -> str:
        return str(self.echo.get("pod", ""))


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    body: bytes | None,
) -> Answer:
    began = time.monotonic()
    try:
        connection.request(method, url, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, text, time.monotonic() - began)
    finally:
        connection.close()
