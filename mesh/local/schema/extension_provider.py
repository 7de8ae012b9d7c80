"""`extensionProviders` of MeshConfig: where access logs and spans may go, and who may decide on requests."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION
from mesh.local.schema.ext_authz import EXT_AUTHZ_GRPC, EXT_AUTHZ_HTTP
from mesh.local.schema.header_value import header_value
from mesh.local.schema.language import ANY_TEXT, BOOL, Enum, Int, ListOf, MapOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.text import NOT_EMPTY, fqdn, header_name, not_empty

_PORT = Int(1, 65535)
_TAG_LENGTH = Int(0, 2**32 - 1)


def _service(text: str) -> str | None:
    """`HOST`, or `NAMESPACE/HOST` as istiod looks it up."""
    return fqdn(text.rpartition("/")[2])


def _has_value(header: Json, at: At) -> None:
    if "value" not in header and "envName" not in header:
        at.error("a header needs a value")


SERVICE = Text(_service)
_HEADERS = ListOf(
    Message(
        {"name": Text(header_name), "value": Text(header_value), "envName": later(ANY_TEXT)},
        required=["name"],
        one_of=[("value", "envName")],
        rules=[_has_value],
    )
)


def _waits(http: Json, at: At) -> None:
    if not http.get("timeout"):
        at.warning("Envoy refuses what istiod makes of it without a timeout: write `timeout: 3s`")


_OPENTELEMETRY = Message(
    {
        "service": SERVICE,
        "port": _PORT,
        "maxTagLength": _TAG_LENGTH,
        "http": Message(
            {
                "path": NOT_EMPTY,
                "timeout": DURATION,
                "headers": _HEADERS,
            },
            required=["path"],
            rules=[_waits],
        ),
        "grpc": Message({"timeout": DURATION, "initialMetadata": _HEADERS}),
        "resourceDetectors": later(),
        "dynatraceSampler": later(),
        "serviceAttributeEnrichment": later(),
    },
    required=["service", "port"],
    one_of=[("http", "grpc")],
)
_ZIPKIN = Message(
    {
        "service": SERVICE,
        "port": _PORT,
        "maxTagLength": _TAG_LENGTH,
        "enable64bitTraceId": BOOL,
        "path": NOT_EMPTY,
        "traceContextOption": Enum("USE_B3", "USE_B3_WITH_W3C_PROPAGATION"),
        "timeout": DURATION,
        "headers": _HEADERS,
    },
    required=["service", "port"],
)
_LOG_FORMAT = Message({"text": ANY_TEXT, "labels": MapOf(ANY_TEXT)}, one_of=[("text", "labels")])
_FILE_LOG = Message({"path": NOT_EMPTY, "logFormat": _LOG_FORMAT, "omitEmptyValues": BOOL})

_LATER = (
    "datadog",
    "dynatraceOneAgent",
    "envoyHttpAls",
    "envoyOtelAls",
    "envoyTcpAls",
    "lightstep",
    "opencensus",
    "sds",
    "skywalking",
    "stackdriver",
)
_KINDS = (
    "envoyExtAuthzHttp",
    "envoyExtAuthzGrpc",
    "opentelemetry",
    "zipkin",
    "envoyFileAccessLog",
    "prometheus",
    *_LATER,
)


def _has_kind(provider: Json, at: At) -> None:
    if not any(kind in provider for kind in _KINDS):
        at.error("unsupported provider: it says no kind, such as opentelemetry or envoyFileAccessLog")


PROVIDER = Message(
    {
        "name": Text(not_empty),
        "opentelemetry": _OPENTELEMETRY,
        "zipkin": _ZIPKIN,
        "envoyFileAccessLog": _FILE_LOG,
        "prometheus": Message({}),
        "envoyExtAuthzHttp": EXT_AUTHZ_HTTP,
        "envoyExtAuthzGrpc": EXT_AUTHZ_GRPC,
        **dict.fromkeys(_LATER, later()),
    },
    required=["name"],
    one_of=[_KINDS],
    rules=[_has_kind],
)
EXTENSION_PROVIDERS = ListOf(PROVIDER, most=1000)
DEFAULT_PROVIDERS = Message(
    {"tracing": ListOf(NOT_EMPTY), "metrics": ListOf(NOT_EMPTY), "accessLogging": ListOf(NOT_EMPTY)}
)


def unique_names(config: Json, at: At) -> None:
    """Two providers may not share a name."""
    seen: set[str] = set()
    for index, provider in enumerate(config.get("extensionProviders") or []):
        if provider["name"] in seen:
            (at / "extensionProviders" / index / "name").error(
                f"invalid extension providers: duplicate provider name {provider['name']}"
            )
        seen.add(provider["name"])
