"""The traffic policy of a DestinationRule: how clients treat a destination."""

from __future__ import annotations

from mesh.local.model import Json
from mesh.local.schema.duration import DURATION, UINT32_DURATION, ZERO_OR_DURATION
from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import (
    ANY_TEXT,
    BOOL,
    INT32,
    UINT32,
    Enum,
    Int,
    ListOf,
    Message,
    Number,
    later,
)
from mesh.local.schema.locality import LOCALITY_LB, needs_outlier_detection
from mesh.local.schema.report import At
from mesh.local.schema.text import NOT_EMPTY, OBJECT_NAME

MAX_MAGLEV_TABLE = 5_000_011  # Envoy's bound; the size must be a prime below it
_COUNT = Int(0, 2**31 - 1, "{} must be non-negative")
_PERCENT = Int(0, 100, "percentage {} is not in range 0..100")
_SIZE = Int(0, 2**63 - 1)


def _pool_of_something(pool: Json, at: At) -> None:
    if not pool:
        at.error("connection pool must have at least one field")


def _one_protocol(settings: Json, at: At) -> None:
    if settings.get("h2UpgradePolicy") == "UPGRADE" and settings.get("useClientProtocol"):
        at.error("use client protocol must not be true when H2UpgradePolicy is UPGRADE")


TCP_KEEPALIVE = Message({"probes": UINT32, "time": UINT32_DURATION, "interval": UINT32_DURATION})
CONNECTION_POOL = Message(
    {
        "tcp": Message(
            {
                "maxConnections": _COUNT,
                "connectTimeout": DURATION,
                "maxConnectionDuration": DURATION,
                "idleTimeout": ZERO_OR_DURATION,
                "tcpKeepalive": TCP_KEEPALIVE,
            }
        ),
        "http": Message(
            {
                "http1MaxPendingRequests": _COUNT,
                "http2MaxRequests": _COUNT,
                "maxRequestsPerConnection": _COUNT,
                "maxRetries": _COUNT,
                "maxConcurrentStreams": _COUNT,
                "idleTimeout": DURATION,
                "h2UpgradePolicy": Enum("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
                "useClientProtocol": BOOL,
                "http2KeepAlive": Message({"interval": DURATION, "timeout": DURATION}, required=["timeout"]),
            },
            rules=[_one_protocol],
        ),
    },
    rules=[_pool_of_something],
)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def _maglev_table(maglev: Json, at: At) -> None:
    size = maglev.get("tableSize", 0)
    place = at / "tableSize"
    if not size:
        place.error("tableSize must be set for maglev")
    elif size >= MAX_MAGLEV_TABLE:
        place.error(f"tableSize must be less than {MAX_MAGLEV_TABLE} for maglev")
    elif not _is_prime(size):
        place.error("tableSize must be a prime number for maglev")


def _attribute_names(cookie: Json, at: At) -> None:
    seen: set[str] = set()
    for index, attribute in enumerate(cookie.get("attributes") or []):
        if attribute["name"] in seen:
            (at / "attributes" / index).error(f"duplicate cookie attribute name: {attribute['name']}")
        seen.add(attribute["name"])


def _hashes_something(hashing: Json, at: At) -> None:
    if not any(hashing.get(key) for key in _HASH_KEYS):
        at.error(f"consistent hash needs one of {', '.join(_HASH_KEYS)}; Istio would accept this")


_HASH_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
_COOKIE = Message(
    {
        "name": NOT_EMPTY,
        "path": ANY_TEXT,
        "ttl": ZERO_OR_DURATION,
        "attributes": ListOf(Message({"name": NOT_EMPTY, "value": ANY_TEXT}, required=["name"])),
    },
    required=["name"],
    rules=[_attribute_names],
)
_CONSISTENT_HASH = Message(
    {
        "httpHeaderName": ANY_TEXT,
        "httpCookie": _COOKIE,
        "useSourceIp": BOOL,
        "httpQueryParameterName": ANY_TEXT,
        "ringHash": Message({"minimumRingSize": _SIZE}),
        "maglev": Message({"tableSize": _SIZE}, rules=[_maglev_table]),
        "minimumRingSize": _SIZE,
    },
    one_of=[_HASH_KEYS, ("ringHash", "maglev", "minimumRingSize")],
    rules=[_hashes_something],
)


def _some_aggression(warmup: Json, at: At) -> None:
    if warmup.get("aggression") == 0:
        (at / "aggression").error("aggression should be greater than 0")


LOAD_BALANCER = Message(
    {
        "simple": Enum(
            "UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "RANDOM", "ROUND_ROBIN", later=("PASSTHROUGH",)
        ),
        "consistentHash": _CONSISTENT_HASH,
        "warmup": Message(
            {"duration": DURATION, "minimumPercent": Number(0, 100), "aggression": Number(0, 1e9)},
            required=["duration"],
            rules=[_some_aggression],
        ),
        "warmupDurationSecs": DURATION,
        "localityLbSetting": LOCALITY_LB,
        "zoneAwareLbSetting": later(why="a laptop is one zone"),
        "backendUtilization": later(),
    },
    one_of=[
        ("simple", "consistentHash", "backendUtilization"),
        ("warmup", "warmupDurationSecs"),
        ("localityLbSetting", "zoneAwareLbSetting"),
    ],
)


def _local_origin(outlier: Json, at: At) -> None:
    if outlier.get("consecutiveLocalOriginFailures") and not outlier.get("splitExternalLocalOriginErrors"):
        (at / "consecutiveLocalOriginFailures").error(
            "consecutive local origin failures is specified, "
            "but split external local origin errors is set to false"
        )


OUTLIER_DETECTION = Message(
    {
        "consecutive5xxErrors": UINT32,
        "consecutiveGatewayErrors": UINT32,
        "consecutiveLocalOriginFailures": UINT32,
        "splitExternalLocalOriginErrors": BOOL,
        "interval": DURATION,
        "baseEjectionTime": DURATION,
        "maxEjectionPercent": _PERCENT,
        "minHealthPercent": _PERCENT,
        "consecutiveErrors": later(INT32, "deprecated: write consecutive5xxErrors"),
        "outlierDetectionHttpErrorCodes": ListOf(Int(100, 599)),
    },
    rules=[_local_origin],
)


def _client_certificate(tls: Json, at: At) -> None:
    """The pieces that each mode needs and excludes."""
    mode = tls.get("mode", "DISABLE")
    files = [name for name in ("clientCertificate", "privateKey", "caCertificates", "caCrl") if tls.get(name)]
    if tls.get("insecureSkipVerify") and mode in ("SIMPLE", "MUTUAL"):
        excluded = ["caCertificates", "subjectAltNames"] + (["credentialName"] if mode == "SIMPLE" else [])
        if any(tls.get(name) for name in excluded):
            at.error(f"cannot specify {' or '.join(excluded)} when insecureSkipVerify is set true")
    if mode in ("SIMPLE", "MUTUAL") and tls.get("credentialName"):
        if files:
            at.error(
                "cannot specify client certificates or CA certificate or CA CRL if credentialName is set"
            )
        return
    if mode == "MUTUAL":
        for name, what in (("clientCertificate", "client certificate"), ("privateKey", "private key")):
            if not tls.get(name):
                (at / name).error(f"{what} required for mutual tls")


CLIENT_TLS = Message(
    {
        "mode": Enum("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
        "clientCertificate": ANY_TEXT,
        "privateKey": ANY_TEXT,
        "caCertificates": ANY_TEXT,
        "subjectAltNames": ListOf(ANY_TEXT),
        "sni": ANY_TEXT,
        "insecureSkipVerify": BOOL,
        "credentialName": OBJECT_NAME,
        "caCrl": later(ANY_TEXT),
    },
    rules=[_client_certificate],
)

_BLOCKS = {
    "loadBalancer": LOAD_BALANCER,
    "connectionPool": CONNECTION_POOL,
    "outlierDetection": OUTLIER_DETECTION,
    "tls": CLIENT_TLS,
}


def _some_block(policy: Json, at: At) -> None:
    if not policy.keys() - {"port"}:
        at.error("traffic policy must have at least one field")


TRAFFIC_POLICY = Message(
    {
        **_BLOCKS,
        "portLevelSettings": ListOf(
            Message(
                {"port": Message({"number": PORT}, required=["number"]), **_BLOCKS},
                required=["port"],
                rules=[_some_block],
            )
        ),
        "tunnel": later(why="connections leave by a CONNECT of their own"),
        "proxyProtocol": Message({"version": Enum("V1", "V2")}),
        "retryBudget": Message(
            {"percent": Number(0, 100), "budgetInterval": DURATION, "minRetryConcurrency": UINT32}
        ),
    },
    one_of=[("tunnel", "proxyProtocol")],
    rules=[_some_block, needs_outlier_detection],
)
