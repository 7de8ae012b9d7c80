"""The `tracing` block of a connection manager: where spans go, which requests are sampled, Istio's tags."""

from __future__ import annotations

from mesh.local.envoy import durations, names, workload
from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.envoy.telemetry import Mode, Tracing, sampling_percent, tracing
from mesh.local.envoy.view import View
from mesh.local.envoy.workload import UNKNOWN
from mesh.local.model import CLUSTER_DOMAIN, CLUSTER_ID, Json

_TRACE = "type.googleapis.com/envoy.config.trace.v3"
_REQUEST_ID = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
_HTTP_TIMEOUT = "3s"  # Istio's for OTLP over HTTP
_ZIPKIN_PATH = "/api/v2/spans"
_ZIPKIN_TIMEOUT = "5s"
_SAMPLED_FULLY: Json = {"value": 100}


def manager_fields(view: View, mode: Mode) -> Json:
    """What a connection manager needs to trace; nothing without a provider that is there."""
    found = tracing(view, mode)
    driver = found and found.provider and _driver(view, found.provider)
    if not found or not driver:
        return {}
    block: Json = {
        "client_sampling": _SAMPLED_FULLY,
        "random_sampling": {"value": sampling_percent(view.mesh, found)},
        "overall_sampling": _SAMPLED_FULLY,
        "custom_tags": _tags(view, found),
        "provider": driver,
    }
    if view.proxy.kind == "gateway":
        block["spawn_upstream_span"] = True
    written = _of_proxies(view)
    if length := _settings(found.provider or {}).get("maxTagLength") or written.get("maxPathTagLength"):
        block["max_path_tag_length"] = length
    if not found.propagates:
        block["no_context_propagation"] = True
    return {"tracing": block, **_request_id(found)}


def _of_proxies(view: View) -> Json:
    """What MeshConfig's `defaultConfig` says of spans."""
    return (view.mesh.raw.get("defaultConfig") or {}).get("tracing") or {}


def _request_id(found: Tracing) -> Json:
    if found.request_id:
        return {}
    config = {"@type": _REQUEST_ID, "use_request_id_for_trace_sampling": False}
    return {"request_id_extension": {"typed_config": config}}


def _settings(provider: Json) -> Json:
    return provider.get("opentelemetry") or provider.get("zipkin") or {}


def _driver(view: View, provider: Json) -> Json | None:
    """The provider as Envoy's, or None when no Service is behind it."""
    written = _settings(provider)
    host, port = service_of(provider), int(written.get("port") or 0)
    service = view.service(host)
    if service is None or service.port(port) is None:
        return None
    cluster = names.outbound_cluster(host, port)
    if "zipkin" in provider:
        return _zipkin(written, host, cluster)
    return _opentelemetry(view, written, host, cluster)


def service_of(provider: Json) -> str:
    """The host name of a provider's Service, written as `NAMESPACE/HOST` or as the host alone."""
    host = str(_settings(provider).get("service") or "").rpartition("/")[2]
    return (
        host
        if host.endswith(f".svc.{CLUSTER_DOMAIN}") or host.count(".") != 1
        else f"{host}.svc.{CLUSTER_DOMAIN}"
    )


def _opentelemetry(view: View, written: Json, host: str, cluster: str) -> Json:
    app = view.proxy.labels.get("app") or view.proxy.workload
    config: Json = {
        "@type": f"{_TRACE}.OpenTelemetryConfig",
        "service_name": f"{app}.{view.proxy.namespace}",
    }
    if (http := written.get("http")) is not None:
        path = "/" + str(http.get("path") or "").lstrip("/")
        uri: Json = {"uri": f"{host}{path}", "cluster": cluster}
        uri["timeout"] = durations.envoy(http.get("timeout") or _HTTP_TIMEOUT)
        config["http_service"] = {"http_uri": uri, **_headers(http)}
    else:
        config["grpc_service"] = {"envoy_grpc": {"cluster_name": cluster, "authority": host}}
        grpc = written.get("grpc") or {}
        if grpc.get("timeout"):
            config["grpc_service"]["timeout"] = durations.envoy(grpc["timeout"])
        if grpc.get("initialMetadata"):
            metadata = [{"key": one["name"], "value": one["value"]} for one in grpc["initialMetadata"]]
            config["grpc_service"]["initial_metadata"] = metadata
    return {"name": "envoy.tracers.opentelemetry", "typed_config": config}


def _zipkin(written: Json, host: str, cluster: str) -> Json:
    w3c = written.get("traceContextOption") == "USE_B3_WITH_W3C_PROPAGATION"
    uri = {
        "uri": f"http://{host}{written.get('path') or _ZIPKIN_PATH}",
        "cluster": cluster,
        "timeout": durations.envoy(written.get("timeout") or _ZIPKIN_TIMEOUT),
    }
    config = {
        "@type": f"{_TRACE}.ZipkinConfig",
        "collector_service": {"http_uri": uri, **_headers(written)},
        "collector_endpoint_version": "HTTP_JSON",
        "trace_id_128bit": not written.get("enable64bitTraceId"),
        "shared_span_context": False,
        "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION" if w3c else "USE_B3",
    }
    return {"name": "envoy.tracers.zipkin", "typed_config": config}


def _headers(written: Json) -> Json:
    """What a collector is told besides the spans."""
    headers = [
        {"header": {"key": one["name"], "value": one["value"]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for one in written.get("headers") or []
    ]
    return {"request_headers_to_add": headers} if headers else {}


def _tags(view: View, found: Tracing) -> list[Json]:
    """Istio's own tags and those that people ask for, by name."""
    who = workload.of_proxy(view.proxy)
    ours = {
        "istio.canonical_revision": who.canonical_revision,
        "istio.canonical_service": who.canonical_service,
        "istio.cluster_id": CLUSTER_ID,
        "istio.mesh_id": CLUSTER_DOMAIN,
        "istio.namespace": who.namespace,
    }
    made: dict[str, Json] = {}
    if found.istio_tags:
        made = {name: {"tag": name, "literal": {"value": value}} for name, value in ours.items()}
    for name, written in (found.tags or _of_proxies(view).get("customTags") or {}).items():
        made[name] = {"tag": name, **_tag(written)}
    return [made[name] for name in sorted(made)]


def _tag(written: Json) -> Json:
    for word, field in (("literal", "literal"), ("environment", "environment"), ("header", "request_header")):
        if value := written.get(word):
            known = {"name": "name", "defaultValue": "default_value", "value": "value"}
            return {field: {known[key]: part for key, part in value.items()}}
    return {"value": (written.get("formatter") or {}).get("value") or UNKNOWN}


def internal_addresses(mesh: MeshConfig) -> Json:
    """Callers who may force a trace at a gateway: those in the address ranges of the mesh's networks."""
    ranges = [
        {"address_prefix": cidr.partition("/")[0], "prefix_len": int(cidr.partition("/")[2] or 32)}
        for cidr in mesh.networks
    ]
    return {"internal_address_config": {"cidr_ranges": ranges}} if ranges else {}
