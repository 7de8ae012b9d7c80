"""Everything that the API server has to hold, out of what is wanted and who runs (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mesh.local.istiod import filters, kinds, mesh_settings, services
from mesh.local.model import ROOT_NAMESPACE, Config, Json, Proxy, Registry
from mesh.local.runtime import credentials

READER = "delinkcious-gateways"
_RBAC = "rbac.authorization.k8s.io"


def objects(
    config: Config, registry: Registry, proxies: Iterable[Proxy], addresses: Mapping[str, str]
) -> list[Json]:
    """Namespaces first; the rest in any order."""
    running = list(proxies)
    found = [
        *(kinds.written(resource) for resource in config if kinds.is_istio(resource)),
        *services.service_entries(config, registry.endpoints, running, addresses),
        *(filters.of_proxy(proxy, registry) for proxy in running),
        filters.upstream_envoy(),
        filters.fence(),
        mesh_settings.config_map(config),
        *_secrets(config, running),
        *_readers(config, running),
    ]
    spaces = {body["metadata"].get("namespace") for body in found} | {proxy.namespace for proxy in running}
    return [*namespaces(config, spaces), *found]


def namespaces(config: Config, others: Iterable[str | None] = ()) -> list[Json]:
    """Those of what is written, and others; with the labels that somebody has given them."""
    names = {resource.namespace for resource in config}.union(others)
    labels = {resource.name: resource.labels for resource in config.of("Namespace")}
    wanted = sorted(name for name in {*names, *labels, ROOT_NAMESPACE} if name)
    return [_namespace(name, labels.get(name) or {}) for name in wanted]


def _namespace(name: str, labels: Mapping[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def _secrets(config: Config, proxies: Iterable[Proxy]) -> Iterator[Json]:
    """Only those that a Gateway, or a rule for a proxy's own TLS, names: istiod is to know no other."""
    wanted = credentials.names(config).union(
        *(credentials.towards_destinations(one, config) for one in proxies)
    )
    for resource in config.of("Secret"):
        if resource.name in wanted or resource.name.removesuffix("-cacert") in wanted:
            yield kinds.written(resource)


def _readers(config: Config, proxies: Iterable[Proxy]) -> Iterator[Json]:
    """A proxy is given Secrets of its namespace when its account may list them."""
    accounts = {
        (proxy.namespace, proxy.service_account)
        for proxy in proxies
        if proxy.kind == "gateway" or credentials.towards_destinations(proxy, config)
    }
    if not accounts:
        return
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]
    named: Json = {"metadata": {"name": READER}}
    yield {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", **named, "rules": rules}
    subjects = [
        {"kind": "ServiceAccount", "namespace": space, "name": name} for space, name in sorted(accounts)
    ]
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": READER}
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        **named,
        "roleRef": reference,
        "subjects": subjects,
    }
