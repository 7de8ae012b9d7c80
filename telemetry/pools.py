"""Use, saturation and errors of what a process shares among its requests: connections of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from telemetry.metrics import DURATION_BUCKETS_S, exemplar

# Seconds. A free connection is there in microseconds; who waits two seconds is refused.
WAIT_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# Peers are named in settings; what comes by a redirect or a fault must not become a label without end.
MAX_PEERS = 32
OTHER_PEER = "(other)"


def _registry(registry: CollectorRegistry | None) -> CollectorRegistry:
    return CollectorRegistry() if registry is None else registry


class DatabasePoolMetrics:
    """The pool of connections to PostgreSQL; counted for nobody without a registry."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._registry = registry = _registry(registry)
        self.wait = Histogram(
            "database_pool_wait_seconds",
            "Time until a request got a connection, or none.",
            buckets=WAIT_BUCKETS_S,
            registry=registry,
        )
        self.timeouts = Counter(
            "database_pool_timeouts",
            "Requests that got no connection in time, since all were busy.",
            registry=registry,
        )

    def watch(self, limit: int, idle: Callable[[], int], size: Callable[[], int]) -> None:
        """Tell of a pool of at most `limit` connections, as these functions see it at each scrape."""
        connections = Gauge(
            "database_pool_connections",
            "Connections to the database by state.",
            ("state",),
            registry=self._registry,
        )
        connections.labels("idle").set_function(idle)
        connections.labels("busy").set_function(lambda: size() - idle())
        Gauge("database_pool_limit", "Connections that this process may hold.", registry=self._registry).set(
            limit
        )


def watch_redis_pool(
    registry: CollectorRegistry | None, limit: int, used: Callable[[], int], idle: Callable[[], int]
) -> None:
    """The pool of connections to Redis."""
    registry = _registry(registry)
    connections = Gauge(
        "redis_pool_connections", "Connections to Redis by state.", ("state",), registry=registry
    )
    connections.labels("used").set_function(used)
    connections.labels("idle").set_function(idle)
    Gauge("redis_pool_limit", "Connections to Redis that this process may hold.", registry=registry).set(
        limit
    )


def watch_broker(registry: CollectorRegistry | None, connected: Callable[[], bool]) -> None:
    """The one connection to NATS."""
    gauge = Gauge(
        "nats_connected", "1 while the broker can be reached, else 0.", registry=_registry(registry)
    )
    gauge.set_function(lambda: float(connected()))


class Outcome:
    """How a call ended: a status, `timeout`, `unreachable`; `cancelled` while nothing else is said."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = "cancelled"


class HttpClientMetrics:
    """Calls to peers: how long, how they ended, how many connections are busy with them."""

    def __init__(self, registry: CollectorRegistry | None, limit: int) -> None:
        registry = _registry(registry)
        self._duration = Histogram(
            "http_client_request_duration_seconds",
            "Time of one attempt at a call to a peer, until its answer was read.",
            ("peer", "method", "status"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._connections = Gauge(
            "http_client_connections", "Connections that calls to a peer use.", ("peer",), registry=registry
        )
        Gauge(
            "http_client_connections_limit", "Connections to peers that may be used.", registry=registry
        ).set(limit)
        self._busy: dict[str, Gauge] = {}
        self._children: dict[tuple[str, str, str], Histogram] = {}

    @contextmanager
    def call(self, peer: str, method: str) -> Iterator[Outcome]:
        """Measure the block as one attempt; it says in the outcome how it ended."""
        if peer not in self._busy:
            peer = peer if len(self._busy) < MAX_PEERS else OTHER_PEER
            self._busy[peer] = self._connections.labels(peer)
        busy, outcome, begun = self._busy[peer], Outcome(), perf_counter()
        busy.inc()
        try:
            yield outcome
        finally:
            busy.dec()
            self._observe((peer, method, outcome.status), perf_counter() - begun)

    def _observe(self, key: tuple[str, str, str], duration_s: float) -> None:
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._duration.labels(*key)
        child.observe(duration_s, exemplar())
