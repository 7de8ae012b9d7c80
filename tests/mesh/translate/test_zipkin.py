"""Spans in Zipkin's form, and what the next hop is told of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.conftest import CLIENT, REVIEWS, SERVICES
from tests.mesh.translate.lab import Lab, Pod
from tests.mesh.translate.telemetry import chunks, mesh_config, telemetry, until

pytestmark = pytest.mark.slow
COLLECTOR = Service("zipkin", "observability", (ServicePort("http", 9411, 9411, "http"),), {"app": "zipkin"})
PODS = [
    CLIENT,
    REVIEWS[0],
    Pod("zipkin", {"app": "zipkin"}, ports=(), namespace="observability", sidecar=False),
]
SERVED = [*SERVICES, COLLECTOR]


def _config(more: str = "") -> str:
    return mesh_config(
        f"""
defaultConfig: {{ tracing: {{ customTags: {{ built: {{ literal: {{ value: here }} }} }} }} }}
extensionProviders:
  - name: zipkin
    zipkin:
      service: zipkin.observability.svc.cluster.local
      port: 9411
      timeout: 2s
      headers: [{{ name: x-key, value: told }}]
      {more}
"""
    )


def _spans(more: str = "") -> str:
    entry = f"{{ providers: [{{ name: zipkin }}], randomSamplingPercentage: 100{more} }}"
    return telemetry("mesh-default", f"{{ tracing: [{entry}] }}")


class _Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        self.spans: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in the DNS
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def of(self, trace: str) -> list[dict[str, Any]]:
        return [span for span in list(self.spans) if span["traceId"] == trace]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Collector

    def do_POST(self) -> None:
        self.server.spans += json.loads(b"".join(chunks(self.rfile)))
        self.server.keys.add(self.headers.get("x-key", ""))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def collector(running: Lab) -> Iterator[_Collector]:
    server = _Collector((running.proxy("zipkin").ip, 9411))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _seen(lab: Lab, **headers: str) -> dict[str, str]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    seen: dict[str, str] = lab.get("client", "http://reviews/", headers=sent).echo["headers"]
    return seen


def test_b3_headers_hold_a_trace_together(lab: Lab, collector: _Collector) -> None:
    lab.apply(_config() + _spans())
    trace = "1" * 32
    seen = _seen(lab, x_b3_traceid=trace, x_b3_spanid="2" * 16, x_b3_sampled="1")
    assert (seen["x-b3-traceid"], seen["x-b3-sampled"]) == (trace, "1")
    assert "traceparent" not in seen
    until(lambda: len(collector.of(trace)) == 2)
    by_kind = {span["kind"]: span for span in collector.of(trace)}
    assert by_kind["CLIENT"]["parentId"] == "2" * 16
    assert by_kind["SERVER"]["parentId"] == by_kind["CLIENT"]["id"]
    assert seen["x-b3-spanid"] == by_kind["SERVER"]["id"]
    assert by_kind["SERVER"]["tags"]["built"] == "here"
    assert collector.keys == {"told"}


def test_w3c_goes_along_where_it_is_asked_for(lab: Lab, collector: _Collector) -> None:
    lab.apply(_config("traceContextOption: USE_B3_WITH_W3C_PROPAGATION") + _spans())
    seen = _seen(lab)
    assert seen["traceparent"].split("-")[1] == seen["x-b3-traceid"]
    trace = "3" * 32
    assert _seen(lab, traceparent=f"00-{trace}-{'4' * 16}-01")["x-b3-traceid"] == trace


def test_a_trace_may_end_at_the_proxy(lab: Lab, collector: _Collector) -> None:
    lab.apply(_config() + _spans(", disableContextPropagation: true"))
    seen = _seen(lab)
    assert "x-request-id" in seen
    assert "x-b3-traceid" not in seen
