"""The blocks of a DestinationRule's traffic policy as fields of an Envoy cluster."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.envoy import durations
from mesh.local.model import Json, Protocol

UNLIMITED = 4294967295  # Istio's own limits are off until somebody sets them
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def circuit_breakers(pool: Json, retry_budget: Json | None = None) -> Json:
    tcp, http = pool.get("tcp") or {}, pool.get("http") or {}
    threshold = {
        "max_connections": tcp.get("maxConnections") or UNLIMITED,
        "max_pending_requests": http.get("http1MaxPendingRequests") or UNLIMITED,
        "max_requests": http.get("http2MaxRequests") or UNLIMITED,
        "max_retries": http.get("maxRetries") or UNLIMITED,
        "track_remaining": True,
    }
    if retry_budget is not None:
        threshold["retry_budget"] = _budget(retry_budget)
    return {"thresholds": [threshold]}


def _budget(written: Json) -> Json:
    """Retries as a share of the requests under way; at least a few may always be tried."""
    made: Json = {
        "budget_percent": {"value": float(written.get("percent", 20))},
        "min_retry_concurrency": written.get("minRetryConcurrency") or 3,
    }
    if written.get("budgetInterval"):
        made["budget_interval"] = durations.envoy(written["budgetInterval"])
    return made


def connection_fields(
    pool: Json,
    protocol: Protocol,
    *,
    connect_timeout: str,
    by_host: Json | None = None,
    retry_budget: Json | None = None,
    errors: Sequence[int] = (),
) -> Json:
    """Everything of a cluster that a connection pool decides; `by_host` is what TLS takes from a request.

    `errors` are the statuses that outlier detection counts in place of 5xx.
    """
    tcp = pool.get("tcp") or {}
    made: Json = {
        "connect_timeout": durations.envoy(tcp.get("connectTimeout") or connect_timeout),
        "circuit_breakers": circuit_breakers(pool, retry_budget),
    }
    if options := _protocol_options(pool, protocol, by_host or {}, errors):
        made["typed_extension_protocol_options"] = options
    keepalive = tcp.get("tcpKeepalive")
    if keepalive is not None:
        made["upstream_connection_options"] = {"tcp_keepalive": _keepalive(keepalive)}
    return made


def _keepalive(written: Json) -> Json:
    made: Json = {}
    if written.get("probes"):
        made["keepalive_probes"] = written["probes"]
    for key, field in (("time", "keepalive_time"), ("interval", "keepalive_interval")):
        if written.get(key):
            made[field] = int(durations.seconds(written[key]))
    return made


def _protocol_options(pool: Json, protocol: Protocol, by_host: Json, errors: Sequence[int]) -> Json:
    tcp, http = pool.get("tcp") or {}, pool.get("http") or {}
    if protocol == "tcp":
        return {}
    common: Json = {}
    if idle := http.get("idleTimeout") or tcp.get("idleTimeout"):
        common["idle_timeout"] = durations.envoy(idle)
    if http.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = http["maxRequestsPerConnection"]
    if tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = durations.envoy(tcp["maxConnectionDuration"])
    version = _version(http, protocol)
    if not common and not by_host and not errors and version == HTTP_1:
        return {}
    made = _typed(HTTP_OPTIONS, **version)
    if by_host:
        made["upstream_http_protocol_options"] = by_host
    if common:
        made["common_http_protocol_options"] = common
    if errors:
        made["outlier_detection"] = {"error_matcher": _any_status(errors)}
    return {HTTP_OPTIONS: made}


def _any_status(codes: Sequence[int]) -> Json:
    """A MatchPredicate for answers with one of these statuses."""
    statuses: list[Json] = [{"name": ":status", "string_match": {"exact": str(code)}} for code in codes]
    rules = [{"http_response_headers_match": {"headers": [status]}} for status in statuses]
    return rules[0] if len(rules) == 1 else {"or_match": {"rules": rules}}


HTTP_1: Json = {"explicit_http_config": {"http_protocol_options": {}}}


def _version(http: Json, protocol: Protocol) -> Json:
    streams = http.get("maxConcurrentStreams")
    http2: Json = {"max_concurrent_streams": streams} if streams else {}
    if kept := http.get("http2KeepAlive"):
        fields = {key: durations.envoy(kept[key]) for key in ("interval", "timeout") if kept.get(key)}
        http2["connection_keepalive"] = fields
    if http.get("useClientProtocol"):
        both = {"http_protocol_options": {}, "http2_protocol_options": http2}
        return {"use_downstream_protocol_config": both}
    if speaks_http2(protocol, http):
        return {"explicit_http_config": {"http2_protocol_options": http2}}
    return HTTP_1


def speaks_http2(protocol: Protocol, http: Json | None) -> bool:
    if protocol == "tcp":
        return False
    return protocol == "http2" or (http or {}).get("h2UpgradePolicy") == "UPGRADE"


def balancing_fields(written: Json) -> Json:
    """The load balancer: least requests unless something else is written."""
    if consistent := written.get("consistentHash"):
        return _hashing(consistent)
    simple = written.get("simple")
    if simple == "RANDOM":
        return {"lb_policy": "RANDOM"}
    policy = "ROUND_ROBIN" if simple == "ROUND_ROBIN" else "LEAST_REQUEST"
    made: Json = {"lb_policy": policy}
    if start := _slow_start(written):
        field = "round_robin_lb_config" if policy == "ROUND_ROBIN" else "least_request_lb_config"
        made[field] = {"slow_start_config": start}
    return made


def _hashing(written: Json) -> Json:
    if (maglev := written.get("maglev")) is not None:
        made: Json = {"lb_policy": "MAGLEV"}
        if maglev.get("tableSize"):
            made["maglev_lb_config"] = {"table_size": maglev["tableSize"]}
        return made
    ring = written.get("ringHash") or {}
    size = ring.get("minimumRingSize") or written.get("minimumRingSize") or 1024
    return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": int(size)}}


def _slow_start(written: Json) -> Json | None:
    warmup = written.get("warmup") or {}
    duration = warmup.get("duration") or written.get("warmupDurationSecs")
    if not duration:
        return None
    return {
        "slow_start_window": durations.envoy(duration),
        "aggression": {"default_value": float(warmup.get("aggression") or 1.0), "runtime_key": ""},
        "min_weight_percent": {"value": float(warmup.get("minimumPercent", 10))},
    }


def outlier_fields(written: Json | None) -> Json:
    """Outlier detection, and how many healthy pods are too few to go on choosing among them alone."""
    percent = float((written or {}).get("minHealthPercent") or 0)
    panic = {"common_lb_config": {"healthy_panic_threshold": {"value": percent}}}
    if written is None:
        return panic
    made: Json = {"enforcing_success_rate": 0}
    for key, field in (
        ("consecutive5xxErrors", "consecutive_5xx"),
        ("consecutiveGatewayErrors", "consecutive_gateway_failure"),
    ):
        if (limit := written.get(key)) is not None:
            made[field] = limit
            made[f"enforcing_{field}"] = 100 if limit > 0 else 0
    for key, field in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if written.get(key):
            made[field] = durations.envoy(written[key])
    if written.get("maxEjectionPercent"):
        made["max_ejection_percent"] = written["maxEjectionPercent"]
    if written.get("splitExternalLocalOriginErrors"):
        made |= {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
        if local := written.get("consecutiveLocalOriginFailures"):
            made["consecutive_local_origin_failure"] = local
            made["enforcing_consecutive_local_origin_failure"] = 100
    return {"outlier_detection": made, **panic}


def _typed(message: str, **fields: object) -> Json:
    return {"@type": f"type.googleapis.com/{message}", **fields}
