"""What is counted here: password work, sign-ins, refreshes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.users.domain import Verdict

PURPOSES = ("hash", "verify", "verify-unknown")
SIGN_INS = (
    "right",
    "wrong",
    "api-token",
    "wrong-api-token",
    "identity",
    "unknown-identity",
    "refused-identity",
)


class Metrics:
    """The counters of the service, one child per label value that can occur."""

    def __init__(self, registry: CollectorRegistry) -> None:
        hashes = Counter(
            "users_password_hashes", "Password hashes computed.", ("purpose",), registry=registry
        )
        sign_ins = Counter("users_sign_ins", "Sign-ins by outcome.", ("outcome",), registry=registry)
        refreshes = Counter("users_refreshes", "Refreshes by verdict.", ("verdict",), registry=registry)
        self.password_hashes = {purpose: hashes.labels(purpose) for purpose in PURPOSES}
        self.password_overloads = Counter(
            "users_password_overloads", "Requests refused since many hashes were waiting.", registry=registry
        )
        self.sign_ins = {outcome: sign_ins.labels(outcome) for outcome in SIGN_INS}
        self.refreshes = {verdict: refreshes.labels(verdict.value) for verdict in Verdict}
        self.housekeeping_failures = Counter(
            "users_housekeeping_failures", "Rounds of the periodic work that failed.", registry=registry
        )
