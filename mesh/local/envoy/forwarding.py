"""Forwarding to wherever a request says: without capture, that is the address in its authority."""

from __future__ import annotations

from mesh.local.envoy.http import filter_
from mesh.local.model import Json

_DNS_CACHE: Json = {"name": "egress", "dns_lookup_family": "V4_PREFERRED"}
_FILTER = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"
_STATE = "envoy.filters.http.set_filter_state"
_STATE_CONFIG = "envoy.extensions.filters.http.set_filter_state.v3.Config"
# What the cluster goes by; without it a rule that rewrites the authority would lead elsewhere.
_AS_ASKED: Json = {
    "object_key": "envoy.upstream.dynamic_host",
    "format_string": {"text_format_source": {"inline_string": "%REQ(:AUTHORITY)%"}},
}
_CLUSTER = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"


def filters() -> list[Json]:
    """What every request passes that may go anywhere; other clusters are no matter to them."""
    return [
        filter_(_STATE, _STATE_CONFIG, on_request_headers=[_AS_ASKED]),
        filter_("envoy.filters.http.dynamic_forward_proxy", _FILTER, dns_cache_config=_DNS_CACHE),
    ]


def cluster_fields(*, own_names: bool = False) -> Json:
    """The discovery of a cluster; `own_names`: TLS may check others than the request's."""
    config: Json = {"dns_cache_config": _DNS_CACHE}
    if own_names:
        config["allow_insecure_cluster_options"] = True
    return {
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": filter_("envoy.clusters.dynamic_forward_proxy", _CLUSTER, **config),
    }
