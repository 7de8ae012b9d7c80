"""What runs, as ServiceEntries: one per Service, and one per pod for ports that no ready Service has (pure).

istiod's own registry would want pods and EndpointSlices, which may not have loopback addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mesh.local.istiod.filters import UNIQUE
from mesh.local.model import CLUSTER_DOMAIN, Config, ContainerPort, Endpoint, Json, Proxy, Resource

PREFIX = "service."
OWN = "own-ports."
EXPORT_TO = "networking.istio.io/exportTo"
_PROTOCOLS = ("grpc", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls")
_APP_PROTOCOLS = {"kubernetes.io/h2c": "HTTP2", "kubernetes.io/ws": "HTTP", "kubernetes.io/wss": "HTTPS"}


def service_entries(
    config: Config, endpoints: Iterable[Endpoint], proxies: Iterable[Proxy], addresses: Mapping[str, str]
) -> list[Json]:
    """`addresses` are the virtual ones of Services, by `namespace/name`."""
    everybody = sorted(endpoints, key=lambda endpoint: (endpoint.namespace, endpoint.pod))
    by_address = {endpoint.address: endpoint for endpoint in everybody if not endpoint.written}
    found: list[Json] = []
    served: set[tuple[str, int]] = set()
    by_host = {host(resource): resource for resource in config.of("Service")}
    for resource in config.of("Service"):
        external = external_name(resource)
        named = by_host.get(external, resource) if external else resource  # another name of that service
        address = addresses[f"{resource.namespace}/{resource.name}"]
        if external and named is resource:
            found += _of_name(resource, external, address)
            continue
        anyway = bool(named.spec.get("publishNotReadyAddresses"))
        behind = [one for one in everybody if (one.ready or anyway) and _picks(named, one)]
        if named.spec.get("ports"):
            found.append(_of_service(resource, named, behind, address))
        served |= {(one.address, number) for one in behind for number in _targets(named, one)}
    for proxy in proxies:
        own = by_address.get(proxy.ip)
        if proxy.kind == "gateway" or own is None:
            continue
        ports = [port for port in proxy.ports if (proxy.ip, port.number) not in served]
        if ports:
            found.append(_of_pod(own, ports, [one for one in config.of("Service") if _picks(one, own)]))
    return found


def mark(namespace: str, generation: int) -> Json:
    """A host of nobody, another one at each generation.

    istiod asks anew which ports a proxy has when a ServiceEntry of its namespace comes or goes, and not when
    only endpoints do: this one comes after all that has changed.
    """
    spec = {
        "hosts": [f"generation-{generation}.pods.{CLUSTER_DOMAIN}"],
        "ports": [{"number": 1, "name": "none", "protocol": "TCP"}],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "exportTo": ["~"],
    }
    return _entry("delinkcious-generation", namespace, spec)


def host(resource: Resource) -> str:
    return f"{resource.name}.{resource.namespace}.svc.{CLUSTER_DOMAIN}"


def external_name(resource: Resource) -> str:
    """What an ExternalName is another name of; "" for any other Service."""
    spec = resource.spec
    return str(spec.get("externalName") or "").rstrip(".") if spec.get("type") == "ExternalName" else ""


def protocol(port: Json) -> str:
    """Istio's name for what a Service's port speaks; "" lets the proxy find out."""
    if said := port.get("appProtocol"):
        name = str(said).lower()
        return _APP_PROTOCOLS.get(name) or (name.upper() if name in (*_PROTOCOLS, "grpc-web") else "")
    name = str(port.get("name") or "").lower()
    if name == "grpc-web" or name.startswith("grpc-web-"):
        return "GRPC-WEB"
    prefix = name.partition("-")[0]
    return prefix.upper() if prefix in _PROTOCOLS else ""


def _picks(resource: Resource, endpoint: Endpoint) -> bool:
    selector = resource.spec.get("selector") or {}
    return (
        bool(selector)
        and endpoint.namespace == resource.namespace
        and selector.items() <= endpoint.labels.items()
    )


def _tcp_ports(resource: Resource) -> Iterator[tuple[str, Json]]:
    """Every port with the name that it has here."""
    for port in resource.spec.get("ports") or []:
        if (port.get("protocol") or "TCP") == "TCP":
            yield port.get("name") or f"port-{port['port']}", port


def _target(port: Json, endpoint: Endpoint) -> int | None:
    if (name := port.get("name") or "") in endpoint.at:
        return endpoint.at[name]
    wanted = port.get("targetPort") or port["port"]
    return wanted if isinstance(wanted, int) else endpoint.ports.get(str(wanted))


def _targets(resource: Resource, endpoint: Endpoint) -> Iterator[int]:
    for _, port in _tcp_ports(resource):
        if (number := _target(port, endpoint)) is not None:
            yield number


def _listed(resource: Resource) -> list[Json]:
    return [
        {"number": int(port["port"]), "name": name, "protocol": protocol(port)}
        for name, port in _tcp_ports(resource)
    ]


def _of_name(resource: Resource, external: str, address: str) -> Iterator[Json]:
    """A name that only DNS knows; nothing where its Service says no port."""
    if ports := _listed(resource):
        spec: Json = {
            "hosts": [host(resource)],
            "addresses": [address],
            "ports": ports,
            "location": "MESH_EXTERNAL",
            "resolution": "DNS",
            "endpoints": [{"address": external}],
        }
        yield _entry(PREFIX + resource.name, resource.namespace, spec)


def _of_service(resource: Resource, named: Resource, behind: Iterable[Endpoint], address: str) -> Json:
    """`named` is the service itself, but for an ExternalName."""
    endpoints = []
    for one in behind:
        numbers = {name: _target(port, one) for name, port in _tcp_ports(named)}
        known = {name: number for name, number in numbers.items() if number is not None}
        if known:
            endpoints.append({**_endpoint(one), "ports": known})
    spec: Json = {
        "hosts": [host(resource)],
        "addresses": [address],
        "ports": _listed(named),
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "endpoints": endpoints,
    }
    if exported := resource.annotations.get(EXPORT_TO):
        spec["exportTo"] = [part.strip() for part in str(exported).split(",")]
    return _entry(PREFIX + resource.name, resource.namespace, spec, resource.labels)


def _of_pod(endpoint: Endpoint, ports: Iterable[ContainerPort], services: Iterable[Resource]) -> Json:
    """So that its proxy knows what its ports speak before anybody may send requests there."""
    spoken = {
        number: protocol(port)
        for service in services
        for _, port in _tcp_ports(service)
        if (number := _target(port, endpoint)) is not None
    }
    listed = [
        {"number": port.number, "name": f"port-{port.number}", "protocol": spoken.get(port.number, "TCP")}
        for port in ports
    ]
    spec = {
        "hosts": [f"{endpoint.address.replace('.', '-')}.pods.{CLUSTER_DOMAIN}"],
        "ports": listed,
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "endpoints": [_endpoint(endpoint)],
        "exportTo": ["~"],
    }
    return _entry(OWN + endpoint.address, endpoint.namespace, spec)


def _endpoint(one: Endpoint) -> Json:
    found: Json = {"address": one.address, "labels": {**one.labels, UNIQUE: one.address}}
    if one.sidecar:
        found["serviceAccount"] = one.service_account
    return found


def _entry(name: str, namespace: str, spec: Json, labels: Mapping[str, str] | None = None) -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": spec,
    }
