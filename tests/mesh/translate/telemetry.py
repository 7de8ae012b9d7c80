"""What the tests of telemetry share: MeshConfig, Telemetry objects, a proxy's counters, a collector."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mesh.local.model import Service, ServicePort
from tests.mesh.translate.lab import DEADLINE_S, Lab, Pod

COLLECTOR = Service(
    "jaeger-collector", "observability", (ServicePort("http-otlp", 4318, 4318, "http"),), {"app": "jaeger"}
)
COLLECTOR_POD = Pod("jaeger", {"app": "jaeger"}, ports=(), namespace="observability", sidecar=False)
_SAMPLE = re.compile(r"^envoy_(istio_\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def mesh_config(text: str, networks: str = "{}") -> str:
    """The ConfigMap `istio`, its `mesh` document written in lines or in flow form."""
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  meshNetworks: '{networks}'
  mesh: |
{lines}---
"""


def telemetry(name: str, spec: str, namespace: str = "istio-system") -> str:
    """A Telemetry with its spec in flow form."""
    return f"""
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {spec}
---
"""


METRICS = mesh_config("defaultProviders: { metrics: [prometheus] }")
JAEGER = """
extensionProviders:
  - name: jaeger
    opentelemetry:
      service: jaeger-collector.observability.svc.cluster.local
      port: 4318
      maxTagLength: 1
      http: { path: /v1/traces, timeout: 5s }
"""


@dataclass(frozen=True)
class Sample:
    """One series of one of Istio's metrics, with the value it has now."""

    name: str
    labels: dict[str, str]
    value: float


def samples(lab: Lab, pod: str, name: str) -> list[Sample]:
    """The series of a metric at a pod's proxy, as Prometheus reads them (without the prefix `envoy_`)."""
    text = lab.admin(pod, "/stats/prometheus")
    return [
        Sample(found, dict(_LABEL.findall(labels)), float(value))
        for found, labels, value in _SAMPLE.findall(text)
        if found == name
    ]


def total(lab: Lab, pod: str, name: str, **labels: str) -> float:
    """The sum of a metric's series that have these labels."""
    found = samples(lab, pod, name)
    return sum(sample.value for sample in found if labels.items() <= sample.labels.items())


def until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition; what it gives when it is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Span:
    """A span as the collector got it; `kind` is 2 for a server's, 3 for a client's."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    tags: dict[str, str]


class Collector:
    """An OTLP/HTTP receiver; `spans` grows as proxies send."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                spans.extend(_spans(b"".join(chunks(self.rfile))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(address, Handler)

    def of(self, trace: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace == trace]


@contextmanager
def collecting(lab: Lab) -> Iterator[Collector]:
    """A collector in the place of the pod `jaeger`."""
    collector = Collector((lab.proxy("jaeger").ip, 4318))
    thread = threading.Thread(
        target=collector.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


def chunks(stream: Any) -> Iterator[bytes]:
    """The parts of a chunked body, which is how Envoy sends."""
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def _spans(data: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        about = {tag.key: tag.value.string_value for tag in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    about.get("service.name", ""),
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    {tag.key: tag.value.string_value for tag in span.attributes},
                )


def traceparent(trace: str, *, sampled: bool) -> dict[str, str]:
    """The headers of a caller who takes part in a trace."""
    return {"traceparent": f"00-{trace}-b7ad6b7169203331-0{int(sampled)}"}


def ask_from(source: str, lab: Lab, gateway: str, path: str, headers: dict[str, str]) -> int:
    """The status of a request that a gateway gets from the address `source`."""
    connection = http.client.HTTPConnection(
        lab.proxy(gateway).ip, 8080, timeout=DEADLINE_S, source_address=(source, 0)
    )
    try:
        connection.request("GET", path, headers={"Host": "edge.example.test", **headers})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
