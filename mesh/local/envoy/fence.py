"""What a proxy does not reach although DNS or a request says so: the insides of pods."""

from __future__ import annotations

from mesh.local import inside
from mesh.local.envoy.http import filter_
from mesh.local.envoy.traffic_policy import HTTP_1, HTTP_OPTIONS
from mesh.local.model import Json

_POLICY = "insides of pods"


def upstream_filters() -> list[Json]:
    """What a request passes when its endpoint is known and no connection is made: all that it needs there."""
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}], "condition": _LEADS_INSIDE}
    rules = {"action": "DENY", "policies": {_POLICY: policy}}
    return [
        filter_(
            "envoy.filters.http.upstream_rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", rules=rules
        ),
        filter_(
            "envoy.filters.http.upstream_codec",
            "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
        ),
    ]


def fenced(cluster: Json) -> Json:
    """The cluster, for requests and CONNECT, without the endpoints that are inside of a pod."""
    options = cluster.get("typed_extension_protocol_options") or {}
    http = options.get(HTTP_OPTIONS) or _unsaid(cluster)
    made = {**options, HTTP_OPTIONS: {**http, "http_filters": upstream_filters()}}
    return {**cluster, "typed_extension_protocol_options": made}


def _unsaid(cluster: Json) -> Json:
    """What Envoy takes for the options of a cluster that has none."""
    made = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **HTTP_1}
    if "cluster_type" in cluster:  # a dynamic forward proxy: TLS is by the name that a request says
        made["upstream_http_protocol_options"] = {"auto_sni": True, "auto_san_validation": True}
    return made


def _call(function: str, target: Json, *args: str) -> Json:
    constants = [{"const_expr": {"string_value": text}} for text in args]
    return {"call_expr": {"function": function, "target": target, "args": constants}}


# upstream.address.matches("..."), parsed: Envoy takes no text here. A network would need one rule per block.
_ADDRESS: Json = {"select_expr": {"operand": {"ident_expr": {"name": "upstream"}}, "field": "address"}}
_LEADS_INSIDE = _call("matches", _ADDRESS, f"^(?:{inside.SOCKETS})$")
