"""Where the names lead to that applications use: the routes of the proxy of `capture` (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from mesh.local import inside
from mesh.local.envoy.mesh_config import mesh_config
from mesh.local.envoy.view import exported
from mesh.local.istiod import services
from mesh.local.model import Config, Json
from mesh.local.schema.virtual_service import MESH

ROUTES = "egress"  # also the beginning of the listener's statistics
HTTP_PORT = 80
UNADDRESSED = "240.240.255.254"  # where a host goes that istiod knows by its name only
CAPTURE, FORWARD = "egress-capture", "egress-forward"  # clusters
STATE = "envoy.filters.http.set_filter_state"
FILTERS = "envoy.extensions.filters"
ORIGINAL = "envoy.filters.listener.original_dst"
_ADDRESS = r"\d+\.\d+\.\d+\.\d+"


def route_configuration(namespace: str, config: Config, addresses: Mapping[str, str]) -> Json:
    """A virtual host for every port of every Service and ServiceEntry, for the pods of a namespace.

    `addresses` as in `services`.
    """
    taken: set[str] = set()
    hosts = []
    for name, address, port, domains in _destinations(namespace, config, addresses):
        if free := [domain for domain in domains if domain not in taken]:
            taken.update(free)
            hosts.append(_virtual_host(f"{name}:{port}", free, f"{address}:{port}"))
    return {
        "name": ROUTES,
        "virtual_hosts": [*hosts, _others(mesh_config(config).registry_only)],
        "validate_clusters": False,
    }


def _destinations(
    namespace: str, config: Config, addresses: Mapping[str, str]
) -> Iterator[tuple[str, str, int, list[str]]]:
    """Name, address, port and what it may be called."""
    by_host = {services.host(one): one for one in config.of("Service")}
    for resource in config.of("Service"):
        address = addresses[f"{resource.namespace}/{resource.name}"]
        qualified = f"{resource.name}.{resource.namespace}"
        whole = services.host(resource)
        names = [whole, f"{whole}.", qualified, f"{qualified}.svc", address]
        names += [resource.name] if resource.namespace == namespace else []
        named = by_host.get(services.external_name(resource), resource)
        for port in named.spec.get("ports") or []:
            yield whole, address, int(port["port"]), _domains(names, int(port["port"]))
    for resource in config.of("ServiceEntry"):
        known = [one for one in resource.spec.get("addresses") or [] if _is_address(one)]
        for host in resource.spec.get("hosts") or []:
            for port in resource.spec.get("ports") or []:
                number = int(port["number"])
                yield host, (known or [UNADDRESSED])[0], number, _domains([host, *known], number)
    yield from _routed(namespace, config)


def _routed(namespace: str, config: Config) -> Iterator[tuple[str, str, int, list[str]]]:
    """Hosts that no Service has but a rule: istiod knows them on the HTTP port."""
    targets = mesh_config(config).export_virtual_services
    for resource in config.of("VirtualService"):
        in_mesh = MESH in (resource.spec.get("gateways") or [MESH])
        if in_mesh and resource.spec.get("http") and exported(resource, targets, namespace):
            for host in resource.spec.get("hosts") or []:
                if "." in host:
                    yield host, UNADDRESSED, HTTP_PORT, _domains([host], HTTP_PORT)


def _domains(written: Sequence[str], port: int) -> list[str]:
    names = list(dict.fromkeys(name.lower() for name in written))  # to Envoy upper case is the same
    return [*(names if port == HTTP_PORT else []), *(f"{name}:{port}" for name in names)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _virtual_host(name: str, domains: list[str], address: str) -> Json:
    return {
        "name": name,
        "domains": domains,
        "routes": [_tunnel(CAPTURE), _request(CAPTURE)],
        "typed_per_filter_config": _captured(address),
    }


def _others(registry_only: bool) -> Json:
    """Hosts that nobody has declared: by address they are captured, by name forwarded where they may be."""
    within = {"name": ":authority", "string_match": {"safe_regex": {"regex": inside.AUTHORITIES}}}
    matches: list[Json] = [{"connect_matcher": {}}, {"prefix": "/"}]
    routes: list[Json] = [
        {"match": {**match, "headers": [within]}, "direct_response": {"status": 403}} for match in matches
    ]
    for pattern, address in ((rf"{_ADDRESS}:\d+", "%REQ(:AUTHORITY)%"), (_ADDRESS, "%REQ(:AUTHORITY)%:80")):
        literal = {"name": ":authority", "string_match": {"safe_regex": {"regex": pattern}}}
        for route in (_tunnel(CAPTURE), _request(CAPTURE)):
            match = {**route["match"], "headers": [literal]}
            routes.append({**route, "match": match, "typed_per_filter_config": _captured(address)})
    if not registry_only:
        routes += [_tunnel(FORWARD), _request(FORWARD)]
        return {"name": "others", "domains": ["*"], "routes": routes}
    other_port = {"name": ":authority", "string_match": {"safe_regex": {"regex": r".*:\d+"}}}
    refused: Json = {"direct_response": {"status": 502}}
    routes += [
        {"match": {"connect_matcher": {}}, **refused},
        {"match": {"prefix": "/", "headers": [other_port]}, **refused},
        {**_request(CAPTURE), "typed_per_filter_config": _captured(f"{UNADDRESSED}:{HTTP_PORT}")},
    ]
    return {"name": "others", "domains": ["*"], "routes": routes}


def _captured(address: str) -> Json:
    return {STATE: _towards(address)}


def _tunnel(cluster: str) -> Json:
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    action = {"cluster": cluster, "timeout": "0s", "upgrade_configs": [upgrade]}
    return {"match": {"connect_matcher": {}}, "route": action}


def _request(cluster: str) -> Json:
    return {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}


def _towards(address: str) -> Json:
    """Where the connection inside of Envoy says that it goes, and from where it comes."""
    ends = {"remote_ip": "%DOWNSTREAM_REMOTE_ADDRESS%", "local_ip": address}
    headers = [
        {
            "object_key": f"{ORIGINAL}.{end}",
            "format_string": {"text_format_source": {"inline_string": text}},
            "shared_with_upstream": "ONCE",
        }
        for end, text in ends.items()
    ]
    config = f"type.googleapis.com/{FILTERS}.http.set_filter_state.v3.Config"
    return {"@type": config, "on_request_headers": headers}
