"""OpenTelemetry's semantic conventions as this system keeps them: what a span must and may say of itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import msgspec

from telemetry.otlp import encode
from telemetry.recording import Recorder, Recording
from telemetry.spans import Span, read

# Attributes of our own stand under this name.
OWN = "delinkcious."

_SERVER = {"server.address", "server.port"}


@dataclass(frozen=True)
class Convention:
    """One kind of span: who makes it (an attribute and the span's kind), its attributes, its name."""

    kind: str
    told_by: str
    required: frozenset[str]
    allowed: frozenset[str]
    name: str


def _convention(kind: str, told_by: str, required: str, allowed: str, name: str) -> Convention:
    needed = frozenset(required.split())
    may = frozenset(allowed.split()) | needed | {"error.type"}
    return Convention(kind, told_by, needed, may, name)


CONVENTIONS = (
    _convention(
        "server",
        "http.request.method",
        "http.request.method url.path url.scheme server.address",
        "http.route http.response.status_code server.port network.protocol.version",
        r"(HTTP|[A-Z]+)( /[\w/{}:.\-]*)?",
    ),
    _convention(
        "client",
        "http.request.method",
        "http.request.method url.full server.address server.port",
        "url.template http.response.status_code http.request.resend_count",
        r"[A-Z]+ /[\w/{}.\-]*",
    ),
    _convention(
        "client",
        "db.query.text",
        "db.system.name db.namespace db.operation.name db.query.text server.address",
        "db.collection.name db.response.returned_rows db.response.status_code server.port",
        r"[A-Z]+( [a-z_.]+)?",
    ),
    _convention(
        "client",
        "db.operation.name",
        "db.system.name db.operation.name server.address",
        "db.namespace db.operation.batch.size db.stored_procedure.name server.port",
        r"(PIPELINE )?[A-Z]+( [A-Z]+)?( [a-z_]+)?|PIPELINE",
    ),
    _convention(
        "producer",
        "messaging.system",
        "messaging.system messaging.operation.name messaging.operation.type messaging.destination.name"
        " messaging.destination.template messaging.message.id server.address server.port",
        "messaging.message.body.size cloudevents.event_id cloudevents.event_source cloudevents.event_type",
        r"publish events",
    ),
    _convention(
        "consumer",
        "messaging.system",
        "messaging.system messaging.operation.name messaging.operation.type messaging.destination.name"
        " messaging.destination.template messaging.message.id messaging.consumer.group.name"
        " server.address server.port",
        "messaging.message.body.size cloudevents.event_id cloudevents.event_source cloudevents.event_type"
        " delinkcious.message.attempt",
        r"process events",
    ),
    _convention(
        "server", "rpc.system.name", "rpc.system.name rpc.method", "rpc.response.status_code", r"[\w.]+/\w+"
    ),
    _convention(
        "client",
        "rpc.system.name",
        "rpc.system.name rpc.method server.address",
        "rpc.response.status_code server.port",
        r"[\w.]+/\w+",
    ),
    _convention("internal", "", "", "", r"[a-z0-9 \-]+"),
)


@dataclass
class Kept:
    """The spans that `recorder` made, as they would be read back."""

    ended: list[Recording] = field(default_factory=list)

    @property
    def recorder(self) -> Recorder:
        return Recorder(self.ended.append)

    def spans(self) -> list[Span]:
        """Everything that has ended, by start."""
        traces = read(msgspec.json.decode(encode(self.ended, {})))
        return sorted((span for trace in traces for span in trace.spans), key=lambda span: span.start_ns)

    def one(self, name: str) -> Span:
        """The only span of this name."""
        (found,) = (span for span in self.spans() if span.name == name)
        return found


def faults(spans: Iterable[Span]) -> list[str]:
    """What is not as it should be, one sentence each."""
    return [f"{span.service} {span.name!r}: {fault}" for span in spans for fault in _faults(span)]


def _faults(span: Span) -> Iterator[str]:
    names = set(span.attributes)
    fitting = [each for each in CONVENTIONS if each.kind == span.kind and each.told_by in names | {""}]
    if not fitting:
        yield f"a {span.kind} span with {sorted(names)} is of no known kind"
        return
    convention = fitting[0]
    if missing := convention.required - names:
        yield f"lacks {sorted(missing)}"
    if more := names - convention.allowed:
        yield f"says {sorted(more)}"
    if not re.fullmatch(convention.name, span.name):
        yield "its name is not of few"
    for name in names:
        if not name.startswith(OWN) and registry().get(name) is not False:
            yield f"{name} is not in the registry of attributes, or outdated"
    if span.failed and not span.error_type:
        yield "it failed, and does not say of what"
    for event in span.events:
        if (event.name, set(event.attributes)) != ("exception", {"exception.type", "exception.stacktrace"}):
            yield f"the event {event.name!r} says {sorted(event.attributes)}"


@cache
def registry() -> dict[str, bool]:
    """The attributes that OpenTelemetry knows; true for those that are outdated."""
    known: dict[str, bool] = {}
    root = files("opentelemetry.semconv")
    for room in (root / "_incubating" / "attributes", root / "attributes"):
        for module in room.iterdir():
            if module.name.endswith(".py"):
                known |= _constants(ast.parse(module.read_text()))
    return known


def _constants(tree: ast.Module) -> dict[str, bool]:
    found: dict[str, bool] = {}
    last = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            last = str(node.value.value)
            found[last] = False
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last] = "Deprecated" in str(node.value.value)
    return found
