"""What an HTTPRoute of a VirtualService does with a request, as the fields of an Envoy Route."""

from __future__ import annotations

from typing import Any

from mesh.local.envoy import destinations, durations, headers
from mesh.local.envoy.matches import Listener
from mesh.local.envoy.retries import retry_policy
from mesh.local.envoy.view import View
from mesh.local.model import Json

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def action(view: View, listener: Listener, http: Json) -> Json:
    """The fields of the Route: its action, header operations, and settings of filters."""
    filters = {
        "envoy.filters.http.cors": cors(http["corsPolicy"]) if http.get("corsPolicy") else None,
        "envoy.filters.http.fault": fault(http["fault"]) if http.get("fault") else None,
    }
    made: Json = {}
    if used := {name: config for name, config in filters.items() if config}:
        made["typed_per_filter_config"] = used
    changes = headers.operations(http.get("headers"))
    if http.get("redirect"):
        return {**made, **changes, "redirect": redirect(http["redirect"], listener)}
    if http.get("directResponse"):
        return {**made, **changes, "direct_response": direct_response(http["directResponse"])}
    return {**made, **_forward(view, listener, http)}


def _forward(view: View, listener: Listener, http: Json) -> Json:
    route = http.get("route") or []
    if not route:  # validation demands one
        return {"direct_response": {"status": 404}}
    timeout = durations.envoy(http.get("timeout") or "0s")
    hashed = destinations.hash_policies(view, listener, route)
    made: Json = {
        **destinations.routed(view, listener, route),
        "timeout": timeout,
        "max_grpc_timeout": timeout,
        **_rewrite(http.get("rewrite") or {}),
    }
    retries = retry_policy(view.mesh, http.get("retries"), hashed=bool(hashed) and len(route) == 1)
    if retries:
        made["retry_policy"] = retries
    if copies := destinations.mirrors(view, listener, http):
        made["request_mirror_policies"] = copies
    if hashed:
        made["hash_policy"] = hashed
    # With one destination Istio appends its operations to the route's, so that they win.
    alone = route[0].get("headers") if len(route) == 1 else None
    host = (
        (http.get("rewrite") or {}).get("authority")
        or headers.host_of(http.get("headers"))
        or headers.host_of(alone)
    )
    if host:
        made["host_rewrite_literal"] = host
    return {**headers.operations(http.get("headers"), alone), "route": made}


def _rewrite(written: Json) -> Json:
    if regex := written.get("uriRegexRewrite"):
        pattern = {"regex": regex.get("match", "")}
        return {"regex_rewrite": {"pattern": pattern, "substitution": regex.get("rewrite", "")}}
    return {"prefix_rewrite": written["uri"]} if written.get("uri") else {}


def redirect(written: Json, listener: Listener) -> Json:
    """A RedirectAction; a port that the scheme implies is not written."""
    code = int(written.get("redirectCode") or 301)
    made: Json = {"response_code": _REDIRECT_CODES[code]}
    if written.get("uri"):
        made["path_redirect"] = written["uri"]
    elif written.get("prefixRewrite"):
        made["prefix_rewrite"] = written["prefixRewrite"]
    if written.get("authority"):
        made["host_redirect"] = written["authority"]
    if written.get("scheme"):
        made["scheme_redirect"] = written["scheme"]
    port = int(written.get("port") or 0)
    if written.get("derivePort") == "FROM_REQUEST_PORT":
        port = listener.port
    scheme = written.get("scheme") or ("https" if listener.tls else "http")
    if port and _DEFAULT_PORTS.get(scheme) != port:
        made["port_redirect"] = port
    return made


def direct_response(written: Json) -> Json:
    made: Json = {"status": int(written["status"])}
    body = written.get("body") or {}
    if body.get("string") is not None:
        made["body"] = {"inline_string": body["string"]}
    elif body.get("bytes") is not None:
        made["body"] = {"inline_bytes": body["bytes"]}
    return made


def fault(written: Json) -> Json | None:
    """HTTPFault of one route; what says no percentage happens never."""
    made: dict[str, Any] = {}
    delay = written.get("delay") or {}
    if delay.get("fixedDelay"):
        share = delay.get("percentage")
        if share is None and delay.get("percent") is not None:
            share = {"value": delay["percent"]}
        made["delay"] = {
            "fixed_delay": durations.envoy(delay["fixedDelay"]),
            "percentage": destinations.fraction(share),
        }
    abort = written.get("abort") or {}
    for key, field in (("httpStatus", "http_status"), ("grpcStatus", "grpc_status")):
        if abort.get(key) is not None:
            status = GRPC_CODES.get(abort[key], abort[key]) if field == "grpc_status" else int(abort[key])
            made["abort"] = {field: status, "percentage": destinations.fraction(abort.get("percentage"))}
    return {"@type": f"{_FILTERS}.fault.v3.HTTPFault", **made} if made else None


def cors(written: Json) -> Json:
    """CorsPolicy of one route."""
    origins = [_origin(origin) for origin in written.get("allowOrigins") or []]
    if not origins:
        old = written.get("allowOrigin") or []
        origins = [{"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in old]
    made: Json = {
        "@type": f"{_FILTERS}.cors.v3.CorsPolicy",
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "allow_origin_string_match": origins,
        "forward_not_matching_preflights": written.get("unmatchedPreflights") != "IGNORE",
    }
    for key, field in (
        ("allowMethods", "allow_methods"),
        ("allowHeaders", "allow_headers"),
        ("exposeHeaders", "expose_headers"),
    ):
        if written.get(key):
            made[field] = ",".join(written[key])
    if written.get("maxAge"):
        made["max_age"] = str(int(durations.seconds(written["maxAge"])))
    if written.get("allowCredentials") is not None:
        made["allow_credentials"] = written["allowCredentials"]
    return made


def _origin(written: Json) -> Json:
    if written.get("regex") is not None:
        return {"safe_regex": {"regex": written["regex"]}}
    if written.get("prefix") is not None:
        return {"prefix": written["prefix"]}
    return {"exact": written.get("exact", "")}


GRPC_CODES = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
