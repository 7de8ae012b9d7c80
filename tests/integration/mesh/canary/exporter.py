"""Proxies that are none: each shows, by HTTP, the counters that a test moves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

# A series as it is written.
_HEAD = "# TYPE {0}istio_requests_total counter\n"
_HISTOGRAM = "# TYPE {0}istio_request_duration_milliseconds histogram\n"
EDGES = ("50", "100", "250", "+Inf")


class Exporter:
    """One proxy. `prefix` is what Envoy puts before its names; where `broken`, it answers with a failure."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.broken = False
        self.padding = 0
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._buckets: Counter[str] = Counter()
        exporter = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = exporter.text().encode()
                self.send_response(500 if exporter.broken else 200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Exporter:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(
        self,
        times: int,
        version: str,
        reporter: str = "source",
        code: str = "200",
        ms: float = 10.0,
        method: str = "",
    ) -> None:
        """So many requests to `links` of that outcome, which took so long; "" for no method's label."""
        labels = _written(
            {
                "reporter": reporter,
                "destination_service_name": "links",
                "destination_service_namespace": "shop",
                "destination_version": version,
                "response_code": code,
                "response_flags": "-",
                "grpc_response_status": "",
            }
            | ({"request_method": method} if method else {})
        )
        with self._lock:
            self._requests[labels] += times
            for edge in EDGES:
                self._buckets[f'{labels},le="{edge}"'] += times * (ms <= float(edge))

    def forget(self) -> None:
        """Start again."""
        with self._lock:
            self._requests.clear()
            self._buckets.clear()

    def text(self) -> str:
        with self._lock:
            return "".join(
                [
                    _HEAD.format(self.prefix),
                    *(f"{self.prefix}istio_requests_total{{{k}}} {v}\n" for k, v in self._requests.items()),
                    _HISTOGRAM.format(self.prefix),
                    *(
                        f"{self.prefix}istio_request_duration_milliseconds_bucket{{{k}}} {v}\n"
                        for k, v in self._buckets.items()
                    ),
                    "#" * self.padding + "\n",
                ]
            )


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())
