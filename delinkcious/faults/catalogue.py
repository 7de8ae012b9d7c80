"""Every fault that can be put into the local installation."""

from __future__ import annotations

from datetime import timedelta

from delinkcious.faults.databases import Locked
from delinkcious.faults.model import Fault, Trail
from delinkcious.faults.overrides import Scaled, expiring, injected, misbehaving
from delinkcious.faults.plaintext import plain_text
from delinkcious.faults.processes import Frozen, Killed, Stuttering, backends, container, store

_ALL_OF_IT = {"percentage": {"value": 100}}
WEB = ("AvailabilityBurn web", "LatencyBurn web")
# Who needs PostgreSQL, directly or not.
EVERYTHING = (
    "NewsStale news",
    *(f"AvailabilityBurn {service}" for service in ("users", "links", "social-graph", "news", "web")),
    *(f"LatencyBurn {service}" for service in ("users", "links", "social-graph", "news", "web")),
)

LINKS, FOLLOWING, NEWS = "/api/v1/links?limit=1", "/api/v1/following", "/api/v1/news"

_FAULTS = (
    Fault(
        name="delay",
        does="A VirtualService delays every request to links by 0.6 seconds.",
        action=injected("links", {"delay": {"fixedDelay": "0.6s", **_ALL_OF_IT}}),
        alerts=("FaultInjected", "LatencyBurn"),
        within_s=90,
        pages=("LatencyBurn links",),
        trail=Trail(LINKS, "links"),
    ),
    Fault(
        name="abort",
        does="A VirtualService answers half of the requests to links with 503.",
        action=injected("links", {"abort": {"httpStatus": 503, "percentage": {"value": 50}}}),
        alerts=("FaultInjected", "AvailabilityBurn"),
        within_s=120,
        pages=("AvailabilityBurn links",),
        trail=Trail(LINKS, "links"),
    ),
    Fault(
        name="pod-killed",
        does="The process of links is killed every fifteen seconds.",
        action=Killed(container("links-v1", "links"), every_s=15.0),
        alerts=("ContainerRestarted",),
        within_s=60,
        pages=("AvailabilityBurn links", "LatencyBurn links", "NewsStale news"),
    ),
    Fault(
        name="pod-hangs",
        does="The process of social-graph is stopped (SIGSTOP), and the one that is started in its place.",
        action=Frozen(container("social-graph-v1", "social-graph")),
        alerts=("TargetDown",),
        within_s=60,
        pages=("AvailabilityBurn social-graph", "LatencyBurn social-graph"),
        trail=Trail(FOLLOWING, "social-graph"),
    ),
    Fault(
        name="no-pods",
        does="social-graph is scaled to no pod at all.",
        action=Scaled("social-graph-v1", 0),
        alerts=("UpstreamUnreachable",),
        within_s=60,
        pages=("AvailabilityBurn social-graph",),
        trail=Trail(FOLLOWING, "social-graph"),
    ),
    Fault(
        name="edge-hangs",
        does="The ingress gateway's Envoy is stopped (SIGSTOP): nobody reaches anything.",
        action=Frozen(container("ingressgateway", "istio-proxy")),
        alerts=("EdgeDown",),
        within_s=60,
        pages=("EdgeDown ",),
    ),
    Fault(
        name="plain-text",
        does="links takes requests without mutual TLS as well, and somebody on this machine sends some.",
        action=plain_text("links"),
        alerts=("PlaintextTraffic",),
        within_s=60,
    ),
    Fault(
        name="certificate-expiring",
        does="The edge gets a certificate that ends in two days.",
        action=expiring(timedelta(days=2)),
        alerts=("CertificateExpiring",),
        within_s=45,
    ),
    Fault(
        name="memory-leak",
        does="link-checker is rolled out with a leak: two MiB a second, 320 MiB at most.",
        action=misbehaving("link-checker", "leak"),
        alerts=("MemoryLeak",),
        within_s=150,
    ),
    Fault(
        name="log-flood",
        does="link-checker is rolled out with a loop that logs, to somebody who reads slowly.",
        action=misbehaving("link-checker", "flood"),
        alerts=("LogFlood",),
        within_s=90,
    ),
    Fault(
        name="loop-late",
        does="The process of link-checker is stopped for a second, again and again.",
        action=Stuttering(container("link-checker-v1", "link-checker")),
        alerts=("EventLoopLate",),
        within_s=75,
    ),
    Fault(
        name="nats-down",
        does="NATS is killed as soon as it runs.",
        action=Killed(store("nats"), every_s=0.2),
        alerts=("BrokerUnreachable",),
        within_s=75,
        pages=("NewsStale news",),
    ),
    Fault(
        name="nats-hangs",
        does="NATS is stopped (SIGSTOP), with its connections open.",
        action=Frozen(store("nats")),
        alerts=("BrokerUnreachable", "NewsStale"),
        within_s=150,
        pages=("NewsStale news",),
    ),
    Fault(
        name="redis-down",
        does="Redis is stopped (SIGSTOP).",
        action=Frozen(store("redis")),
        alerts=("RedisDown",),
        within_s=60,
        # The pages of web show news too.
        pages=("AvailabilityBurn news", "LatencyBurn news", "NewsStale news", *WEB),
        trail=Trail(NEWS, "news"),
    ),
    Fault(
        name="postgres-down",
        does="PostgreSQL is stopped with all its processes (SIGSTOP).",
        action=Frozen(store("postgres")),
        alerts=("DatabaseDown",),
        within_s=75,
        pages=EVERYTHING,
        trail=Trail(LINKS, "links"),
    ),
    Fault(
        name="postgres-slow",
        does="PostgreSQL's processes that serve links are stopped for a second, again and again.",
        action=Stuttering(backends("links")),
        alerts=("DatabaseSlow",),
        within_s=150,
        pages=("LatencyBurn links",),
        trail=Trail(LINKS, "links"),
    ),
    Fault(
        name="pool-exhausted",
        does="A forgotten transaction locks the table of links, until all connections of links wait for it.",
        action=Locked("links", "links", "ACCESS EXCLUSIVE"),
        alerts=("DatabasePoolExhausted",),
        within_s=75,
        pages=("AvailabilityBurn links", "LatencyBurn links", "NewsStale news"),
        trail=Trail(LINKS, "links"),
    ),
    Fault(
        name="consumer-stuck",
        does="A forgotten transaction locks the table in which link-checker notes what it has handled.",
        action=Locked("link-checker", "consumed_events", "EXCLUSIVE"),
        alerts=("ConsumerStuck",),
        within_s=90,
    ),
)

FAULTS = {fault.name: fault for fault in _FAULTS}
