"""AuthorizationPolicy CUSTOM: a service outside the proxy decides about what the rules match.

An RBAC filter judges the rules and enforces nothing; the filter after it asks the service wherever one of
them matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.envoy import authorization_policy, durations, names
from mesh.local.envoy.authorization_policy import HTTP_RBAC, NETWORK_RBAC
from mesh.local.envoy.http import filter_
from mesh.local.envoy.view import View
from mesh.local.model import Json, Resource

HTTP_KIND, GRPC_KIND = "envoyExtAuthzHttp", "envoyExtAuthzGrpc"
_SHADOW = "istio_ext_authz_"
_PREFIX = "istio-ext-authz"
_BAD = "-deny-due-to-bad-CUSTOM-action"
_TIMEOUT = "600s"  # Istio's own
_HTTP = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
_NETWORK = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"


def http_filters(view: View) -> list[Json]:
    """Nothing without a policy; a refusal of what the rules match where the provider cannot be asked."""
    policies = authorization_policy.policies(view, "CUSTOM")
    if not policies:
        return []
    if wrong(view, policies):
        return _refusals(policies, http=True)
    provider = _provider(view, _name(policies[0])) or {}
    fields = {**_asking(view, provider), **_enabled(policies, "envoy.filters.http.rbac")}
    return [
        filter_("envoy.filters.http.rbac", HTTP_RBAC, **_judged(policies, http=True)),
        filter_("envoy.filters.http.ext_authz", _HTTP, **fields),
    ]


def network_filters(view: View) -> list[Json]:
    """The same for connections; a provider that speaks HTTP is not asked about them, as in Istio."""
    policies = authorization_policy.policies(view, "CUSTOM")
    if not policies:
        return []
    if wrong(view, policies):
        return _refusals(policies, http=False)
    provider = _provider(view, _name(policies[0])) or {}
    if GRPC_KIND not in provider:
        return []
    config = {
        "stat_prefix": "tcp.",
        "failure_mode_allow": bool(provider[GRPC_KIND].get("failOpen")),
        "transport_api_version": "V3",
        **_grpc(view, provider[GRPC_KIND]),
        **_enabled(policies, "envoy.filters.network.rbac"),
    }
    judged = filter_(
        "envoy.filters.network.rbac", NETWORK_RBAC, stat_prefix="tcp.", **_judged(policies, http=False)
    )
    return [judged, filter_("envoy.filters.network.ext_authz", _NETWORK, **config)]


def wrong(view: View, policies: Sequence[Resource]) -> str:
    """Why the policies of a workload can ask nobody; "" when they can."""
    asked = sorted({_name(policy) for policy in policies})
    if len(asked) > 1:
        return f"several providers for one workload: {', '.join(asked)}"
    provider = _provider(view, asked[0])
    if provider is None:
        return f"no extension provider for authorization is named {asked[0]}"
    if _cluster(view, _settings(provider)) is None:
        return f"the registry has no service {_settings(provider).get('service')} with that port"
    return ""


def asks(policies: Sequence[Resource]) -> str:
    """The provider that is asked."""
    return _name(policies[0])


def rule_name(resource: Resource, number: int) -> str:
    return f"{_PREFIX}-{_name(resource)}-{authorization_policy.rule_name(resource, number)}"


def rules(policies: Sequence[Resource], *, http: bool) -> Json:
    return authorization_policy.rbac_rules("CUSTOM", policies, http=http, name=rule_name)


def _judged(policies: Sequence[Resource], *, http: bool) -> Json:
    return {"shadow_rules": rules(policies, http=http), "shadow_rules_stat_prefix": _SHADOW}


def _refusals(policies: Sequence[Resource], *, http: bool) -> list[Json]:
    """One filter for each provider that is named."""
    made = []
    for name in sorted({_name(policy) for policy in policies}):
        found = rules([policy for policy in policies if _name(policy) == name], http=http)
        denied = {**found, "policies": {f"{key}{_BAD}": rule for key, rule in found["policies"].items()}}
        if http:
            made.append(filter_("envoy.filters.http.rbac", HTTP_RBAC, rules=denied))
        else:
            made.append(filter_("envoy.filters.network.rbac", NETWORK_RBAC, stat_prefix="tcp.", rules=denied))
    return made


def _enabled(policies: Sequence[Resource], judge: str) -> Json:
    """The filter asks only where one of the rules matched."""
    matched = {"string_match": {"prefix": f"{_PREFIX}-{_name(policies[0])}"}}
    path = [{"key": f"{_SHADOW}shadow_effective_policy_id"}]
    return {"filter_enabled_metadata": {"filter": judge, "path": path, "value": matched}}


def _name(policy: Resource) -> str:
    return str((policy.spec.get("provider") or {}).get("name") or "")


def _provider(view: View, name: str) -> Json | None:
    declared: Sequence[Json] = view.mesh.raw.get("extensionProviders") or []
    kinds = (HTTP_KIND, GRPC_KIND)
    found = (one for one in declared if one.get("name") == name and any(kind in one for kind in kinds))
    return next(found, None)


def _settings(provider: Json) -> Json:
    return provider.get(HTTP_KIND) or provider.get(GRPC_KIND) or {}


def _cluster(view: View, written: Json) -> tuple[str, str] | None:
    """Host and cluster of `NAMESPACE/HOST` or `HOST`, or None when there is no such service and port."""
    namespace, _, host = str(written.get("service") or "").rpartition("/")
    service, port = view.service(host), int(written.get("port") or 0)
    if service is None or service.port(port) is None or namespace not in ("", service.namespace):
        return None
    if service.resolution != "STATIC" and not view.registry.endpoints_of(service):
        return None  # such a service has no cluster
    return host, names.outbound_cluster(host, port)


def _grpc(view: View, written: Json) -> Json:
    host, cluster = _cluster(view, written) or ("", "")
    service = {"cluster_name": cluster, "authority": host}
    return {"grpc_service": {"envoy_grpc": service, "timeout": _timeout(written)}}


def _timeout(written: Json) -> str:
    return durations.envoy(written.get("timeout") or _TIMEOUT)


def _asking(view: View, provider: Json) -> Json:
    """Whom to ask, and what to tell."""
    written = _settings(provider)
    made: Json = {
        "failure_mode_allow": bool(written.get("failOpen")),
        "transport_api_version": "V3",
    }
    if written.get("statusOnError"):
        made["status_on_error"] = {"code": int(written["statusOnError"])}
    if body := written.get("includeRequestBodyInCheck"):
        made["with_request_body"] = {
            "max_request_bytes": body["maxRequestBytes"],
            "allow_partial_message": bool(body.get("allowPartialMessage")),
            "pack_as_bytes": bool(body.get("packAsBytes")),
        }
    if GRPC_KIND in provider:
        return {**made, **_grpc(view, written)}
    if headers := written.get("includeRequestHeadersInCheck") or written.get("includeHeadersInCheck"):
        made["allowed_headers"] = _headers(headers)
    host, cluster = _cluster(view, written) or ("", "")
    service: Json = {
        "server_uri": {"uri": f"http://{host}", "cluster": cluster, "timeout": _timeout(written)},
        "path_prefix": written.get("pathPrefix") or "",
    }
    if added := written.get("includeAdditionalHeadersInCheck"):
        values = [{"key": key, "value": value} for key, value in sorted(added.items())]
        service["authorization_request"] = {"headers_to_add": values}
    return {**made, "http_service": {**service, **_answering(written)}}


def _answering(written: Json) -> Json:
    """What of the service's answer reaches the application or the client."""
    passed = (
        ("headersToUpstreamOnAllow", "allowed_upstream_headers"),
        ("headersToDownstreamOnDeny", "allowed_client_headers"),
        ("headersToDownstreamOnAllow", "allowed_client_headers_on_success"),
    )
    made = {field: _headers(written[key]) for key, field in passed if written.get(key)}
    return {"authorization_response": made} if made else {}


def _headers(patterns: Sequence[str]) -> Json:
    """Names: `x`, `x*` or `*x`, whose case does not count."""
    return {"patterns": [{**_pattern(name), "ignore_case": True} for name in patterns]}


def _pattern(name: str) -> Json:
    if name.startswith("*"):
        return {"suffix": name[1:]}
    return {"prefix": name[:-1]} if name.endswith("*") else {"exact": name}
