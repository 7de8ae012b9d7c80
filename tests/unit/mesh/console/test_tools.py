"""What is said of a tool that does not serve, and whether one has a page."""

from __future__ import annotations

from mesh.console.jaeger import is_page
from mesh.console.tools import why


def pod(reason: str) -> dict[str, object]:
    return {"workload": "jaeger", "containers": [{"name": "jaeger", "reason": reason, "ready": False}]}


def test_a_program_that_is_still_to_come_is_said_with_what_to_do() -> None:
    told = why("jaeger", pod("waiting for its program: jaeger"))
    assert told.startswith("Jaeger is not there yet: its program is being built")
    assert "delinkcious tools install jaeger" in told


def test_one_that_starts_says_what_it_waits_for() -> None:
    assert why("prometheus", pod("not ready: 503")) == "Prometheus is starting: not ready: 503."
    assert why("prometheus", pod("")) == "Prometheus is starting."
    assert why("jaeger", None) == "Jaeger is not part of what runs here."


PLACEHOLDER = b"""<html lang="en"><base href="/" data-inject-target="BASE_URL"/><title>Test Page</title>
<h1>This is not the Jaeger UI you are looking for!</h1>
<p>The section below emulates <b>jaeger-ui/packages/jaeger-ui/index.html</b>.
See <a href="https://github.com/jaegertracing/jaeger-ui/tree/main/packages/jaeger-ui#configuration">README</a>"""
OFFICIAL = b"""<!doctype html><html lang="en"><head><title>Jaeger UI</title></head>
<body><div id="jaeger-ui-root"></div><script type="module" src="./static/index-1a2b.js"></script></body>"""


def test_what_stands_in_for_the_page_of_jaeger_is_no_page() -> None:
    assert is_page(OFFICIAL)
    assert not is_page(PLACEHOLDER)
    assert not is_page(b"")
