"""What a list of traces says of each."""

from __future__ import annotations

import pytest

from mesh.console.pages.traces import LONGEST_PATH, summary
from telemetry.spans import Span, trace_of


@pytest.mark.parametrize(
    ("attributes", "title", "status"),
    [
        (
            {"http.method": "GET", "http.url": "https://host:443/api/v1/links?q=x", "http.status_code": 200},
            "GET /api/v1/links",
            "200",
        ),
        (
            {
                "http.request.method": "POST",
                "url.path": "/links/7",
                "http.route": "/links/{id}",
                "http.response.status_code": 503,
            },
            "POST /links/{id}",
            "503",
        ),
        ({"http.method": "GET", "url.path": "/" + "a" * 200}, f"GET /{'a' * (LONGEST_PATH - 1)}…", ""),
        ({"http.method": "GET"}, "host:443/*", ""),
        ({}, "host:443/*", ""),
    ],
)
def test_a_trace_is_called_by_what_was_asked_for(
    attributes: dict[str, str | int], title: str, status: str
) -> None:
    root = Span("t", "1", "", "gate", "host:443/*", "server", 0, 5, attributes=attributes)
    inner = Span("t", "2", "1", "links", "GET /", "server", 1, 4, attributes={"http.method": "PUT"})
    told = summary(trace_of([inner, root]))
    assert (told["title"], told["service"], told["status"]) == (title, "gate", status)


def test_a_proxy_that_knows_no_route_is_called_by_that_of_the_service_behind_it() -> None:
    asked = {"http.method": "PUT", "http.url": "https://host:443/"}
    root = Span("t", "1", "", "gate", "host:443/*", "server", 0, 9, attributes=asked)
    later = Span("t", "3", "2", "users", "POST", "server", 4, 6, attributes={"http.route": "/later"})
    inner = Span("t", "2", "1", "links", "PUT", "server", 1, 8, attributes={"http.route": "/imports/{key}"})
    assert summary(trace_of([later, inner, root]))["title"] == "PUT /imports/{key}"
