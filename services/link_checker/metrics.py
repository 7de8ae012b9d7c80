"""What is counted here: checks by finding, the queue, pages fetched."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.link_checker.domain import Finding, Health

# A check waits for other people's servers: up to VISIT_S (fetching/visits.py).
DURATION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 75.0)


class Metrics:
    """The metrics of the service, one child per finding."""

    def __init__(self, registry: CollectorRegistry) -> None:
        checks = Counter("link_checker_checks", "Checks by what they found.", ("finding",), registry=registry)
        pages = Counter(
            "link_checker_pages", "Pages fetched for a form, by finding.", ("finding",), registry=registry
        )
        self.checks = {finding: checks.labels(_label(finding)) for finding in Finding}
        self.pages = {finding: pages.labels(_label(finding)) for finding in Finding}
        self.duration = Histogram(
            "link_checker_check_duration_seconds",
            "Time that a check took.",
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.running = Gauge("link_checker_running", "Checks that run now.", registry=registry)
        self.lost = Counter(
            "link_checker_lost_leases", "Outcomes that came after the lease had run out.", registry=registry
        )
        self.failures = Counter(
            "link_checker_round_failures",
            "Rounds of the schedule that failed and are tried again.",
            registry=registry,
        )
        self.queue_hosts = Gauge(
            "link_checker_queue_hosts", "Hosts that could be asked about something now.", registry=registry
        )
        self.queue_age = Gauge(
            "link_checker_queue_age_seconds",
            "How long the first of them has been waiting.",
            registry=registry,
        )
        health = Gauge(
            "link_health",
            "Addresses by what is known of them; every replica says the same of all.",
            ("state",),
            registry=registry,
        )
        self.health = {state: health.labels(state) for state in get_args(Health)}


def _label(finding: Finding) -> str:
    return finding.value or "answered"
