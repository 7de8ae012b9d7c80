"""Namespace, Service, ServiceAccount, ConfigMap, Secret."""

from __future__ import annotations

import base64
import binascii
import re

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.kubernetes.probe import PORT_OR_NAME
from mesh.local.schema.language import ANY_TEXT, BOOL, UNREAD, Enum, ListOf, MapOf, Message, Text, Type, later
from mesh.local.schema.metadata import whole
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS
from mesh.local.schema.text import DNS_LABEL, fqdn

SERVICE_UNREAD = [
    "clusterIP",
    "clusterIPs",
    "internalTrafficPolicy",
    "externalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "allocateLoadBalancerNodePorts",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "sessionAffinityConfig",
]
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)


def _data_key(text: str) -> str | None:
    if _DATA_KEY.fullmatch(text) and text not in (".", ".."):
        return None
    return f'invalid key "{text}": letters, digits, -, _ and .'


def _base64(text: str) -> str | None:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return "is not base64; plain text belongs into stringData"
    return None


def _named_ports(spec: Json, at: At) -> None:
    """Several ports need names; names and numbers are unique."""
    ports = spec.get("ports") or []
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(ports):
        place = at / "ports" / index
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            (place / "name").error("is required when a Service has several ports")
        elif name and name in names:
            (place / "name").error(f'duplicate value "{name}"')
        if port["port"] in numbers:
            (place / "port").error(f"duplicate value {port['port']}")
        names.add(name)
        numbers.add(port["port"])


def _external_name(text: str) -> str | None:
    return fqdn(text) if text else None


def _outside_name(spec: Json, at: At) -> None:
    """An ExternalName has a name; every Service but that and a headless one has ports."""
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            (at / "externalName").error("is required when type is ExternalName")
    elif "ports" not in spec and spec.get("clusterIP") != "None":
        (at / "ports").error("is required")


def _pinned_clients(spec: Json, at: At) -> None:
    if spec.get("sessionAffinity") == "ClientIP":
        (at / "sessionAffinity").warning(
            "a sidecar chooses the pod itself and, as Istio's, does not look at sessionAffinity: "
            "a DestinationRule's consistentHash with useSourceIp pins clients"
        )


def _distribution(spec: Json, at: At) -> None:
    if spec.get("trafficDistribution"):
        (at / "trafficDistribution").warning(
            "is not looked at, unlike by Istio: a DestinationRule's localityLbSetting prefers near pods"
        )


_PORT = Message(
    {
        "name": DNS_LABEL,
        "port": PORT,
        "targetPort": PORT_OR_NAME,
        "protocol": Enum("TCP", later=("UDP", "SCTP")),
        "appProtocol": ANY_TEXT,
        "nodePort": UNREAD,
    },
    required=["port"],
)
_SERVICE: dict[str, Type] = {
    "type": Enum("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    "selector": LABELS,
    "ports": ListOf(_PORT, least=1),
    "sessionAffinity": Enum("None", "ClientIP"),
    "externalName": Text(_external_name),
    "externalIPs": later(),
    "publishNotReadyAddresses": BOOL,
    "trafficDistribution": Enum("PreferClose", "PreferSameZone", "PreferSameNode"),
    **dict.fromkeys(SERVICE_UNREAD, UNREAD),
}
SERVICE = whole(
    {"spec": Message(_SERVICE, rules=[_named_ports, _outside_name, _pinned_clients, _distribution])},
    required=("spec",),
)
NAMESPACE = whole({"spec": UNREAD})
SERVICE_ACCOUNT = whole(
    {"automountServiceAccountToken": UNREAD, "imagePullSecrets": UNREAD, "secrets": UNREAD}
)
CONFIG_MAP = whole(
    {
        "data": MapOf(ANY_TEXT, key=_data_key),
        "binaryData": MapOf(Text(_base64), key=_data_key),
        "immutable": BOOL,
    }
)
SECRET = whole(
    {
        "type": ANY_TEXT,
        "data": MapOf(Text(_base64), key=_data_key),
        "stringData": MapOf(ANY_TEXT, key=_data_key),
        "immutable": BOOL,
    }
)
