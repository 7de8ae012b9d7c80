"""ServiceEntry."""

from __future__ import annotations

import ipaddress

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, Enum, ListOf, Message, Text
from mesh.local.schema.ports import HTTP_PROTOCOLS, SERVICE_PORT, TLS_PROTOCOLS
from mesh.local.schema.report import At
from mesh.local.schema.selectors import SELECTED_LABELS, exports_plainly
from mesh.local.schema.text import export_to, fqdn, is_ip, wildcard_host
from mesh.local.schema.workload_entry import ENDPOINT, UNIX

NOBODY = "~"
_BY_NAME = ("DNS", "DNS_ROUND_ROBIN")


def _host(text: str) -> str | None:
    return "invalid host *" if text == "*" else wildcard_host(text)


def _subnet(text: str) -> str | None:
    if "/" not in text:
        return None if is_ip(text) else f"{text} is not a valid IP"
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text} is not a valid CIDR block"
    return None


def _labels_said(selector: Json, at: At) -> None:
    if not selector.get("labels"):
        at.unsupported("a selector without labels, which selects every workload of the namespace")


def _hosts(spec: Json, at: At) -> None:
    for index, host in enumerate(spec.get("hosts") or []):
        if "*" in host and host != "*" and not host.startswith("*."):
            (at / "hosts" / index).warning(f'partial wildcard "{host}" not allowed')


def _ports(spec: Json, at: At) -> None:
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(spec.get("ports") or []):
        place, protocol = at / "ports" / index, (port.get("protocol") or "").lower()
        if port["name"] in names:
            (place / "name").error(f'service entry port name "{port["name"]}" already defined')
        if port["number"] in numbers:
            (place / "number").error(f"service entry port {port['number']} already defined")
        names.add(port["name"])
        numbers.add(port["number"])
        if protocol == "udp":
            (place / "protocol").unsupported("UDP")
        if port.get("targetPort") and _resolution(spec) == "NONE":
            (place / "targetPort").unsupported("the port is the request's where resolution is NONE")


def _resolution(spec: Json) -> str:
    return str(spec.get("resolution") or "NONE")


def _by_resolution(spec: Json, at: At) -> None:
    resolution = _resolution(spec)
    ranges = any("/" in address for address in spec.get("addresses") or [])
    if ranges and resolution not in ("NONE", "STATIC"):
        (at / "addresses").error("CIDR addresses are allowed only for NONE/STATIC resolution types")
    if spec.get("workloadSelector") and spec.get("endpoints"):
        at.error("only one of WorkloadSelector or Endpoints is allowed in Service Entry")
    if resolution == "NONE":
        if spec.get("endpoints"):
            (at / "endpoints").error("no endpoints should be provided for resolution type none")
        if spec.get("workloadSelector") is not None:
            place = at / "workloadSelector"
            place.warning("workloadSelector should not be set when resolution mode is NONE")
    elif resolution in _BY_NAME:
        _named(spec, resolution, at)
    _endpoints(spec, resolution, at)


def _named(spec: Json, resolution: str, at: At) -> None:
    endpoints = spec.get("endpoints") or []
    for index, host in enumerate(spec.get("hosts") or [] if not endpoints else []):
        if (reason := fqdn(host)) is not None:
            (at / "hosts" / index).error(
                "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided "
                f"for resolution mode {resolution}, {reason}"
            )
            break
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        message = f"there must only be 0 or 1 endpoint for resolution mode {resolution}"
        (at / "endpoints").error(message)


def _endpoints(spec: Json, resolution: str, at: At) -> None:
    known = {port["name"] for port in spec.get("ports") or []}
    for index, endpoint in enumerate(spec.get("endpoints") or []):
        place, written = at / "endpoints" / index, endpoint.get("address") or ""
        for name, number in (endpoint.get("ports") or {}).items():
            if name not in known:
                (place / "ports" / name).error(f"endpoint port {number} is not defined by the service entry")
        if not written or written.startswith(UNIX) or is_ip(written):
            continue
        if resolution == "STATIC":
            (place / "address").error(f'endpoint address "{written}" is not a valid IP address')
        elif fqdn(written) is not None:
            message = f'endpoint address "{written}" is not a valid FQDN or an IP address'
            (place / "address").error(message)


def _hosts_can_be_told_apart(spec: Json, at: At) -> None:
    if _resolution(spec) == "NONE" or len(spec.get("hosts") or []) < 2:
        return
    for index, port in enumerate(spec.get("ports") or []):
        if (port.get("protocol") or "").lower() not in HTTP_PROTOCOLS | TLS_PROTOCOLS:
            (at / "ports" / index).error("multiple hosts provided with non-HTTP, non-TLS ports")
            return


def _exported_to_nobody(spec: Json, at: At) -> None:
    entries = spec.get("exportTo") or []
    if NOBODY in entries and len(entries) > 1:
        (at / "exportTo").error("cannot export service entry to no one (~) and someone")


SPEC = Message(
    {
        "hosts": ListOf(Text(_host), least=1),
        "addresses": ListOf(Text(_subnet)),
        "ports": ListOf(SERVICE_PORT),
        "location": Enum("MESH_EXTERNAL", "MESH_INTERNAL"),
        "resolution": Enum("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", later=("DYNAMIC_DNS",)),
        "endpoints": ListOf(ENDPOINT),
        "workloadSelector": Message({"labels": SELECTED_LABELS}, rules=[_labels_said]),
        "exportTo": ListOf(Text(lambda text: None if text == NOBODY else export_to(text))),
        "subjectAltNames": ListOf(ANY_TEXT),
    },
    required=["hosts"],
    rules=[
        _hosts,
        _ports,
        _by_resolution,
        _hosts_can_be_told_apart,
        exports_plainly,
        _exported_to_nobody,
    ],
)
