"""MeshConfig and the mesh's networks: documents in the ConfigMap `istio` of the root namespace."""

from __future__ import annotations

import re
from dataclasses import replace

from mesh.local.documents import Malformed, documents
from mesh.local.model import ROOT_NAMESPACE, TRUST_DOMAIN, Finding, Resource, Source
from mesh.local.schema.duration import DURATION
from mesh.local.schema.extension_provider import DEFAULT_PROVIDERS, EXTENSION_PROVIDERS, unique_names
from mesh.local.schema.gateway import CIPHER_SUITES
from mesh.local.schema.http_policies import RETRIES
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    UINT32,
    UNREAD,
    Enum,
    Int,
    ListOf,
    MapOf,
    Message,
    Number,
    Text,
    later,
)
from mesh.local.schema.mesh_networks import MESH_NETWORKS
from mesh.local.schema.report import At, Report
from mesh.local.schema.selectors import EXPORT_TO_LIST
from mesh.local.schema.telemetry import CUSTOM_TAG
from mesh.local.schema.text import not_empty
from mesh.local.schema.traffic_policy import CONNECTION_POOL, OUTLIER_DETECTION, TCP_KEEPALIVE

_TRACERS = ("zipkin", "lightstep", "datadog", "stackdriver", "openCensusAgent", "tlsSettings")
# Known to Istio; each changes what proxies do, and none of it is implemented.
LATER = [
    "ca",
    "caCertificates",
    "certificates",
    "defaultHttp2KeepAlive",
    "discoverySelectors",
    "configSources",
    "enableEnvoyAccessLogService",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "localityLbSetting",
    "outboundClusterStatName",
    "proxyHttpPort",
    "proxyInboundListenPort",
    "proxyListenPort",
    "serviceEntryVisibility",
    "serviceScopeConfigs",
    "serviceSettings",
    "thriftConfig",
    "zoneAwareLbSetting",
]


# Known to Istio and without effect here: no Ingress objects, no sniffed protocols, no log of listeners, no
# address that only a pod itself can reach; spans and metrics are Telemetry's.
MEANINGLESS = [
    "disableEnvoyListenerLog",
    "enablePrometheusMerge",
    "enableTracing",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "protocolDetectionTimeout",
    "verifyCertificateAtClient",
]


# The same of a proxy's own configuration, `defaultConfig`.
LATER_OF_PROXIES = [
    "availabilityZone",
    "caCertificatesPem",
    "connectionSettings",
    "customConfigFile",
    "envoyAccessLogService",
    "envoyMetricsService",
    "envoyMetricsServiceAddress",
    "extraStatTags",
    "interceptionMode",
    "meshId",
    "privateKeyProvider",
    "proxyBootstrapTemplatePath",
    "proxyHeaders",
    "proxyMetadata",
    "proxyStatsMatcher",
    "serviceCluster",
    "statNameLength",
    "statsCompression",
    "statsdUdpAddress",
    "tracingServiceName",
    "zipkinAddress",
]
MEANINGLESS_OF_PROXIES = [  # where a container keeps its files, how it is asked for its health, how it starts
    "binaryPath",
    "configPath",
    "controlPlaneAuthPolicy",
    "discoveryAddress",
    "discoveryRefreshDelay",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "holdApplicationUntilProxyStarts",
    "image",
    "proxyAdminPort",
    "readinessProbe",
    "sds",
    "statusPort",
]


def _trust_domain(text: str) -> str | None:
    matched = re.fullmatch(r"[a-z0-9._-]{1,255}", text, re.ASCII)
    return None if matched else f'"{text}" is no trust domain: lower case letters, digits, -, . and _'


def _own_trust_domain(text: str) -> str | None:
    return None if text == TRUST_DOMAIN else f"the local mesh's trust domain is {TRUST_DOMAIN}"


def _own_root(text: str) -> str | None:
    return None if text == ROOT_NAMESPACE else f"the local mesh's root namespace is {ROOT_NAMESPACE}"


_CIPHERS = ListOf(Enum(*sorted(CIPHER_SUITES)))
_TLS_VERSION = Enum("TLS_AUTO", "TLSV1_2", "TLSV1_3")
MESH_CONFIG = Message(
    {
        "accessLogFile": ANY_TEXT,
        "accessLogFormat": ANY_TEXT,
        "accessLogEncoding": Enum("TEXT", "JSON"),
        "outboundTrafficPolicy": Message(
            {"mode": Enum("REGISTRY_ONLY", "ALLOW_ANY", later=("ALLOW_ANY_DYNAMIC_DNS",))}
        ),
        "enableAutoMtls": BOOL,
        "connectTimeout": DURATION,
        "defaultHttpRetryPolicy": RETRIES,
        "extensionProviders": EXTENSION_PROVIDERS,
        "defaultProviders": DEFAULT_PROVIDERS,
        "pathNormalization": Message(
            {"normalization": Enum("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")}
        ),
        "dnsRefreshRate": DURATION,
        "defaultServiceExportTo": EXPORT_TO_LIST,
        "defaultVirtualServiceExportTo": EXPORT_TO_LIST,
        "defaultDestinationRuleExportTo": EXPORT_TO_LIST,
        "trustDomain": Text(_own_trust_domain),
        "rootNamespace": Text(_own_root),
        "defaultConfig": Message(
            {
                "gatewayTopology": Message(
                    {
                        "numTrustedProxies": Int(0, 1000),
                        "forwardClientCertDetails": Enum(
                            "UNDEFINED",
                            "SANITIZE",
                            "FORWARD_ONLY",
                            "APPEND_FORWARD",
                            "SANITIZE_SET",
                            "ALWAYS_FORWARD_ONLY",
                        ),
                        "proxyProtocol": Message({}),
                    }
                ),
                "runtimeValues": MapOf(ANY_TEXT),
                "concurrency": Int(0, 1024),
                "tracing": Message(
                    {
                        "sampling": Number(0, 100),
                        "maxPathTagLength": UINT32,
                        "customTags": MapOf(CUSTOM_TAG, key=not_empty),
                        "enableIstioTags": UNREAD,
                        **dict.fromkeys(_TRACERS, later()),
                    }
                ),
                "terminationDrainDuration": later(DURATION, "a pod's grace period says it"),
                "drainDuration": later(DURATION, "a listener that goes is drained for a second"),
                **dict.fromkeys(MEANINGLESS_OF_PROXIES, UNREAD),
                **dict.fromkeys(LATER_OF_PROXIES, later()),
            }
        ),
        "defaultInboundHttpRetryPolicy": RETRIES,
        "defaultTrafficPolicy": Message(
            {"connectionPool": CONNECTION_POOL, "outlierDetection": OUTLIER_DETECTION}
        ),
        "h2UpgradePolicy": Enum("DO_NOT_UPGRADE", "UPGRADE"),
        "meshMTLS": Message(
            {
                "minProtocolVersion": _TLS_VERSION,
                "cipherSuites": _CIPHERS,
                "ecdhCurves": later(why="Istio does not read it: write tlsDefaults"),
            }
        ),
        "tcpKeepalive": TCP_KEEPALIVE,
        "tlsDefaults": Message(
            {
                "minProtocolVersion": _TLS_VERSION,
                "cipherSuites": _CIPHERS,
                "ecdhCurves": ListOf(Enum("P-256", "P-384", "P-521", "X25519")),
            }
        ),
        "trustDomainAliases": ListOf(Text(_trust_domain)),
        **dict.fromkeys(MEANINGLESS, UNREAD),
        **dict.fromkeys(LATER, later()),
    },
    rules=[unique_names],
)


# Keys of the ConfigMap and what they hold.
_DOCUMENTS = {"mesh": MESH_CONFIG, "meshNetworks": MESH_NETWORKS}


def mesh_config_findings(config_map: Resource) -> list[Finding]:
    """What is wrong in the documents of `istio-system/istio`, with the lines of the file around them."""
    if (config_map.namespace, config_map.name) != (ROOT_NAMESPACE, "istio"):
        return []
    data = config_map.body.get("data") or {}
    return [
        finding
        for key, schema in _DOCUMENTS.items()
        if isinstance(text := data.get(key), str)
        for finding in _document_findings(config_map, key, text, schema)
    ]


def _document_findings(config_map: Resource, key: str, text: str, schema: Message) -> list[Finding]:
    first_line = config_map.source.line_of(("data", key)) + 1
    report = Report(config_map, origin="Istio")
    try:
        for document in documents(text):
            lines = {("data", key, *path): line + first_line - 1 for path, line in document.lines.items()}
            nulls = tuple(("data", key, *path) for path in document.nulls)
            source = Source(config_map.source.file, config_map.source.line, lines, nulls)
            report.resource = replace(config_map, source=source)
            place = At(report, ("data", key))
            for path, _, message in document.problems:
                At(report, (*place.path, *path)).error(message)
            if document.value is not None:
                schema.check(document.value, place)
    except Malformed as error:
        At(report, ("data", key)).error(f"line {error.line} of it: {error}")
    return report.findings
