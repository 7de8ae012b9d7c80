"""Outbound clusters: one for every service port that a proxy sees, and one for each of its subsets."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.envoy import locality, names, tls
from mesh.local.envoy.destination_rule import Rule, blocks, rule_for, turns_mutual_tls_off
from mesh.local.envoy.discovery import cluster_fields
from mesh.local.envoy.endpoints import POD, load_assignment, principals
from mesh.local.envoy.fence import fenced
from mesh.local.envoy.istio_labels import SERVICE
from mesh.local.envoy.mesh_defaults import over_defaults
from mesh.local.envoy.peer_authentication import namespace_mode
from mesh.local.envoy.proxy_protocol import wrapped
from mesh.local.envoy.traffic_policy import balancing_fields, connection_fields, outlier_fields, speaks_http2
from mesh.local.envoy.view import View
from mesh.local.model import Json, Service, ServicePort

# A request for one pod of a headless Service names it; any other may go to each.
_PODS: Json = {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": [POD]}]}


def outbound(view: View) -> dict[str, Json]:
    """Clusters by name, each with its endpoints.

    Endpoints do not come by files of their own (EDS): Envoy takes an inotify instance for every such file,
    of which a Linux user has 128 unless somebody raised it, and each sidecar would need one per service.
    """
    return {name: one for service in view.scope.reachable for name, one in of_service(view, service).items()}


def of_service(view: View, service: Service) -> dict[str, Json]:
    """The clusters of one service by name: made of it, of its host's rule, and of the view's policies."""
    rule = rule_for(view, service.hostname)
    made = (_cluster(view, service, port, rule, subset) for port, subset in _parts(service, rule))
    return {cluster["name"]: cluster for cluster in made}


def _parts(service: Service, rule: Rule) -> Iterator[tuple[ServicePort, str]]:
    for port in service.ports:
        for subset in ("", *rule.subsets):
            yield port, subset


def _cluster(view: View, service: Service, port: ServicePort, rule: Rule, subset: str) -> Json:
    name = names.outbound_cluster(service.hostname, port.number, subset)
    policy = over_defaults(view.mesh, blocks(rule, port.number, subset), port.protocol)
    labels = (rule.subsets.get(subset) or {}).get("labels") or {}
    pool, secured = policy.get("connectionPool") or {}, policy.get("tls") or {}
    mutual = not turns_mutual_tls_off(rule, port.number, subset)
    assignment = load_assignment(view, name, service, port, labels, policy, mutual=mutual)
    balancing = balancing_fields(policy.get("loadBalancer") or {})
    cluster: Json = {
        "name": name,
        "alt_stat_name": f"{name};",
        **cluster_fields(view, service, assignment, balancing),
        **connection_fields(
            pool,
            port.protocol,
            connect_timeout=view.mesh.connect_timeout,
            by_host=tls.by_host(secured),
            retry_budget=policy.get("retryBudget"),
            errors=(policy.get("outlierDetection") or {}).get("outlierDetectionHttpErrorCodes") or (),
        ),
        **outlier_fields(policy.get("outlierDetection")),
        **wrapped(_sockets(view, service, port, rule, subset, policy), policy.get("proxyProtocol")),
        "metadata": _metadata(service, port, rule, subset),
    }
    if locality.weighs(policy):
        cluster["common_lb_config"] = {**cluster["common_lb_config"], "locality_weighted_lb_config": {}}
    if service.headless:
        cluster["lb_subset_config"] = _PODS
    return cluster if service.resolution == "STATIC" else fenced(cluster)


def _sockets(view: View, service: Service, port: ServicePort, rule: Rule, subset: str, policy: Json) -> Json:
    """How connections are secured: as the rule says, else mutual TLS wherever a sidecar takes it."""
    http2 = speaks_http2(port.protocol, (policy.get("connectionPool") or {}).get("http"))
    sni = names.sni(service.hostname, port.number, subset)
    written = policy.get("tls")
    if written:
        if written.get("credentialName") and not _may_use_secrets(view, rule):
            return {}
        if written.get("mode") in ("SIMPLE", "MUTUAL") and not written.get("insecureSkipVerify"):
            sans = written.get("subjectAltNames") or list(service.subject_alt_names)
            written = {**written, "subjectAltNames": sans}
        ours = principals(view, service)
        return tls.from_rule(view.proxy.folder, written, sni, ours, view.mesh, http2=http2)
    if service.external or not view.mesh.auto_mtls or service.resolution == "NONE":
        return {}
    if namespace_mode(view.config, service.namespace) == "DISABLE":
        return {}
    socket = tls.mesh_client(view.proxy.folder, sni, principals(view, service), http2=http2)
    return {
        "transport_socket_matches": [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": tls.RAW_BUFFER},
        ]
    }


def _may_use_secrets(view: View, rule: Rule) -> bool:
    """A sidecar reads Secrets only for a rule that names its workload; without, Istio leaves TLS out."""
    return view.proxy.kind == "gateway" or any(r.spec.get("workloadSelector") for r in rule.resources)


def _metadata(service: Service, port: ServicePort, rule: Rule, subset: str) -> Json:
    about = {"host": service.hostname, "name": service.name, "namespace": service.namespace}
    istio: Json = {"services": [about], "default_original_port": port.number}
    if service.external:
        istio["external"] = True
    if rule.resources:
        istio["config"] = names.config_path(rule.resources[0])
    if subset:
        istio["subset"] = subset
    service_of = {"host": service.hostname, "name": service.name}
    return {"filter_metadata": {"istio": istio, SERVICE: service_of}}
