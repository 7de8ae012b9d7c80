"""Retries of outbound routes."""

from __future__ import annotations

from mesh.local.envoy import durations
from mesh.local.envoy.mesh_config import DEFAULT_RETRY, MeshConfig
from mesh.local.model import Json

_RETRY = "type.googleapis.com/envoy.extensions.retry"
_PREVIOUS_HOSTS: Json = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {"@type": f"{_RETRY}.host.previous_hosts.v3.PreviousHostsPredicate"},
}
_PREVIOUS_PRIORITIES: Json = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": f"{_RETRY}.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 2,
    },
}
_STATUS_CODES = "retriable-status-codes"


def retry_policy(mesh: MeshConfig, written: Json | None, *, hashed: bool = False) -> Json | None:
    """The RetryPolicy of a route, None for no retries; a `hashed` destination may be tried again."""
    retries = mesh.default_retry if written is None else written
    attempts = int(retries.get("attempts") or 0)
    if attempts <= 0:
        return None
    default_on = mesh.default_retry.get("retryOn") or DEFAULT_RETRY["retryOn"]
    policy: Json = {
        **_retry_on(retries.get("retryOn") or default_on),
        "num_retries": attempts,
        "host_selection_retry_max_attempts": 5,
    }
    if retries.get("retryIgnorePreviousHosts", not hashed):
        policy["retry_host_predicate"] = [_PREVIOUS_HOSTS]
    if retries.get("perTryTimeout"):
        policy["per_try_timeout"] = durations.envoy(retries["perTryTimeout"])
    if retries.get("retryRemoteLocalities"):
        policy["retry_priority"] = _PREVIOUS_PRIORITIES
    if retries.get("backoff"):
        policy["retry_back_off"] = {"base_interval": durations.envoy(retries["backoff"])}
    return policy


def inbound_retry_policy(written: Json) -> Json | None:
    """MeshConfig's `defaultInboundHttpRetryPolicy`, which knows of no other hosts."""
    attempts = int(written.get("attempts") or 0)
    if attempts <= 0:
        return None
    policy = {**_retry_on(written.get("retryOn") or "reset-before-request"), "num_retries": attempts}
    if written.get("perTryTimeout"):
        policy["per_try_timeout"] = durations.envoy(written["perTryTimeout"])
    if written.get("backoff"):
        policy["retry_back_off"] = {"base_interval": durations.envoy(written["backoff"])}
    return policy


def _retry_on(text: str) -> Json:
    """Conditions and status codes, which people write into one list."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if part.isdigit()]
    conditions = [part for part in parts if not part.isdigit()]
    if not codes:
        return {"retry_on": ",".join(conditions)}
    if _STATUS_CODES not in conditions:
        conditions.append(_STATUS_CODES)
    return {"retry_on": ",".join(conditions), "retriable_status_codes": codes}
