"""Findings about tokens: keys that cannot be fetched, claims that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesh.local.check.mesh import Mesh, gateway_key
from mesh.local.model import ROOT_NAMESPACE, Config, Finding, Json, Resource
from mesh.local.resources import finding
from mesh.local.schema.virtual_service import MESH

CLAIM = "@request.auth.claims"

Path = tuple[str | int, ...]


def key_addresses(config: Config) -> Iterator[tuple[Resource, Path, str]]:
    """Every place that keys are to be fetched from, with where it is written."""
    for resource in config.of("RequestAuthentication"):
        for index, rule in enumerate(resource.spec.get("jwtRules") or []):
            uri = rule.get("jwksUri")
            if uri and not rule.get("jwks"):
                yield resource, ("spec", "jwtRules", index, "jwksUri"), str(uri)


def unreachable_keys(config: Config, failures: Mapping[str, str]) -> Iterator[Finding]:
    """The addresses that gave no keys, `failures` saying why."""
    for resource, path, uri in key_addresses(config):
        if uri in failures:
            message = f"no keys come from there: {failures[uri]}; every token of the issuer is refused"
            yield finding(resource, path, message, warning=True, id="DM0113")


def claim_findings(mesh: Mesh) -> Iterator[Finding]:
    """Routes by claims at gateways where no RequestAuthentication reads tokens."""
    for resource in mesh.config.of("VirtualService"):
        for name in resource.spec.get("gateways") or [MESH]:
            gateway = mesh.config.get("Gateway", *gateway_key(name, resource.namespace))
            if gateway is None or not mesh.has_workloads or _reads_tokens(mesh, gateway):
                continue
            for path in _claims(resource):
                message = f"no RequestAuthentication is for the pods of {gateway}: the claims are never there"
                yield finding(resource, path, message, warning=True, id="IST0149")


def _claims(resource: Resource) -> Iterator[Path]:
    for index, route in enumerate(resource.spec.get("http") or []):
        for number, match in enumerate(route.get("match") or []):
            for word in ("headers", "withoutHeaders"):
                for header in match.get(word) or {}:
                    if header.startswith(CLAIM):
                        yield ("spec", "http", index, "match", number, word, header)


def _reads_tokens(mesh: Mesh, gateway: Resource) -> bool:
    selector = gateway.spec.get("selector") or {}
    pods = [pod for pod in mesh.pods if pod.fits(selector)]
    return any(
        pod.fits(_labels(policy)) and policy.namespace in (ROOT_NAMESPACE, pod.workload.namespace)
        for policy in mesh.config.of("RequestAuthentication")
        for pod in pods
    )


def _labels(policy: Resource) -> Json:
    labels: Json = (policy.spec.get("selector") or {}).get("matchLabels") or {}
    return labels
