"""What is counted for an objective, in PromQL: how many were bad, out of how many, per second.

Requests are counted where somebody waited for them, by the sidecar of the caller or the gateway
(`reporter="source"`): there, what the network, a policy or an injected fault did to them counts too.
"""

from __future__ import annotations

from telemetry.slo.model import Availability, Latency, Moments, Objective

NAMESPACE = "delinkcious"
# What an injected fault answered came to no server, of which the namespace would be known.
NAMESPACES = f"{NAMESPACE}|unknown"

# What the server is to blame for: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
# and none at all.
FAILED_CALL = 'grpc_response_status=~"2|4|12|13|14|15|"'
ANSWERED_CALL = 'grpc_response_status!~"2|4|12|13|14|15|"'
FAILED = 'response_code=~"5.."'
ANSWERED = 'response_code!~"5.."'

# Whoever goes away does not wait: so end live news, when their reader closes the page.
WAITED_FOR = 'response_flags!~"DC|DR"'

# What lasts longer is a file or live news: a route that has a deadline answers before it.
LONGEST_MS = 30_000

BAD_MOMENT = "slo:bad_moment:bool"


def bad_and_total(slo: Objective, window: str) -> tuple[str, str]:
    """Two expressions without labels that always have a value: bad ones and all, per second over `window`."""
    indicator = slo.indicator
    if isinstance(indicator, Moments):
        return f'avg_over_time({BAD_MOMENT}{{slo="{slo.name}"}}[{window}])', "vector(1)"
    if isinstance(indicator, Availability):
        requests = _requests(slo)
        failed = FAILED_CALL if indicator.protocol == "grpc" else FAILED
        name = "istio_requests_total"
        return _rate(name, [*requests, failed], window), _rate(name, requests, window)
    return _late(slo, indicator, window)


def bad_moment(indicator: Moments) -> str:
    """1 while any of the conditions holds, else 0."""
    conditions = " or ".join(
        f'label_replace({condition.when}, "condition", "{number}", "", "")'
        for number, condition in enumerate(indicator.bad, 1)
    )
    return f"clamp_max(count({conditions}), 1) or vector(0)"


def _late(slo: Objective, indicator: Latency, window: str) -> tuple[str, str]:
    answered = ANSWERED_CALL if indicator.protocol == "grpc" else ANSWERED
    requests = [*_requests(slo), answered]
    name = "istio_request_duration_milliseconds_bucket"
    total = _rate(name, [*requests, _up_to(LONGEST_MS)], window)
    in_time = _rate(name, [*requests, _up_to(indicator.within_ms)], window)
    return f"clamp_min(({total}) - ({in_time}), 0)", total


def _requests(slo: Objective) -> list[str]:
    return [
        'reporter="source"',
        f'destination_service_name="{slo.service}"',
        f'destination_service_namespace=~"{NAMESPACES}"',
        WAITED_FOR,
    ]


def _up_to(bound_ms: int) -> str:
    # Prometheus 3 writes the bound of a bucket as a float, whichever way it was exposed.
    return rf'le=~"{bound_ms}(\\.0)?"'


def _rate(name: str, matchers: list[str], window: str) -> str:
    return f"sum(rate({name}{{{', '.join(matchers)}}}[{window}])) or vector(0)"
