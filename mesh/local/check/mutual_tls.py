"""Findings about mutual TLS: a DestinationRule that contradicts what the pods demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesh.local.check.mesh import Mesh, PodTemplate, full_host
from mesh.local.envoy.peer_authentication import mode_of
from mesh.local.model import Finding, Json, Resource
from mesh.local.resources import finding

Path = tuple[str | int, ...]


def mutual_tls_findings(mesh: Mesh) -> Iterator[Finding]:
    for rule in mesh.config.of("DestinationRule") if mesh.has_workloads else ():
        service = mesh.services.get(full_host(rule.spec["host"], rule.namespace))
        pods = mesh.pods_of(service) if service else []
        if service is None or not pods:
            continue
        for path, mode, number in _tls_modes(rule.spec):
            demanded = _demanded(mesh, service, pods, number)
            if mode == "ISTIO_MUTUAL" and demanded == {"DISABLE"}:
                how = "the pods take plain text only"
                message = (
                    f"ISTIO_MUTUAL contradicts PeerAuthentication DISABLE of {service}: {how}, answered 503"
                )
                yield finding(rule, path, message, warning=True, id="IST0113")
            elif mode == "ISTIO_MUTUAL" and not any(pod.injected for pod in pods):
                message = f"the pods of {service} have no sidecar to speak mutual TLS with: answered 503"
                yield finding(rule, path, message, warning=True, id="IST0113")
            elif mode != "ISTIO_MUTUAL" and demanded == {"STRICT"}:
                message = f"{mode} contradicts PeerAuthentication STRICT of {service}: answered 503"
                yield finding(rule, path, message, warning=True, id="IST0113")


def _demanded(mesh: Mesh, service: Resource, pods: Sequence[PodTemplate], number: int | None) -> set[str]:
    """The modes of all the pods' ports that the setting is for; `number` is a port of the Service."""
    found: set[str] = set()
    for pod in pods:
        if not pod.injected:
            return {"NONE"}
        for port in service.spec.get("ports") or []:
            if number in (None, port["port"]):
                target = pod.target(port)
                found.add(mode_of(mesh.config, service.namespace, pod.labels, target))
    return found


def _tls_modes(spec: Json) -> Iterator[tuple[Path, str, int | None]]:
    """Every TLS setting with the port that it is for, None for all."""
    policies: list[tuple[Path, Json]] = [(("spec", "trafficPolicy"), spec.get("trafficPolicy") or {})]
    for index, subset in enumerate(spec.get("subsets") or []):
        policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy") or {}))
    for path, policy in policies:
        if "tls" in policy:
            yield (*path, "tls", "mode"), policy["tls"].get("mode", "DISABLE"), None
        for index, level in enumerate(policy.get("portLevelSettings") or []):
            if "tls" in level:
                inner = (*path, "portLevelSettings", index, "tls", "mode")
                yield inner, level["tls"].get("mode", "DISABLE"), level["port"]["number"]
