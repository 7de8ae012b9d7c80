"""The mesh, from Istio's own metrics: who calls whom, how, and what became of it. Works on any Istio."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, grid, number, row

_PAIR = ("source_workload", "destination_service_name", "destination_version")
_SERVICE, _NAMED = "destination_service_name", "{{destination_service_name}}"
_CALLED, _SERVED = 'reporter="source"', 'reporter="destination"'
_NOT_FAILED = 'response_code!~"5.."'
_SECURE = f'{_SERVED}, connection_security_policy="mutual_tls"'
_LEFT = "min by (pod) (envoy_listener_ssl_certificate_expiration_unix_time_seconds) - time()"
_FLAGS = (
    "DI, FI: an injected delay or failure. UH: no healthy server. UF: no connection. UT: no answer in time. "
    "URX: retried in vain. NR, NC: no such route, no such cluster. DC: the caller went away. RL: limited."
)


def mesh() -> dashboard.Dashboard:
    made = board("mesh", "Delinkcious: mesh", "Who calls whom through the sidecars, and what became of it.")
    made = _durations(_outcomes(_topology(made)))
    return add(
        made.with_row(row("Proxies")),
        graph("Certificates live for", "s", (_LEFT, "{{pod}}")),
        graph("Memory of proxies", "bytes", ("max by (pod) (envoy_server_memory_allocated)", "{{pod}}")),
    )


def _topology(made: dashboard.Dashboard) -> dashboard.Dashboard:
    secure, answered = f"{_rate(_SECURE)} / {_rate(_SERVED)}", _rate(f"{_CALLED}, {_NOT_FAILED}")
    failed = f"1 - {_rate(f'{_CALLED}, {_NOT_FAILED}', *_PAIR)} / {_rate(_CALLED, *_PAIR)}"
    return add(
        made,
        number("Requests", "reqps", _rate(_CALLED), width=6),
        number("With mutual TLS", "percentunit", secure, width=6),
        number("Answered", "percentunit", f"{answered} / {_rate(_CALLED)}", width=6),
        number("Shortest life of a certificate", "s", f"min({_LEFT})", width=6),
        grid(
            "Who calls whom",
            [
                (_rate(_CALLED, *_PAIR), "requests per second"),
                (failed, "failed"),
                (_quantile("0.99", *_PAIR), "99 % within ms"),
            ],
            about="From the sidecar of the caller. What has no version did not reach a server.",
        ),
    )


def _outcomes(made: dashboard.Dashboard) -> dashboard.Dashboard:
    versions = (_rate(_CALLED, _SERVICE, "destination_version"), _NAMED + " {{destination_version}}")
    secure = (_rate(_SERVED, "connection_security_policy"), "{{connection_security_policy}}")
    flags = (_rate(_CALLED, "response_flags"), "{{response_flags}}")
    return add(
        made.with_row(row("Outcomes")),
        graph("By status", "reqps", (_rate(_CALLED, "response_code"), "{{response_code}}")),
        graph("By response flag", "reqps", flags, about=_FLAGS),
        graph("By version", "reqps", versions),
        graph("Mutual TLS or not", "reqps", secure),
    )


def _durations(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return add(
        made.with_row(row("Durations and sizes")),
        graph("Answered within, half of them", "ms", (_quantile("0.5", _SERVICE), _NAMED)),
        graph("Answered within, 99 %", "ms", (_quantile("0.99", _SERVICE), _NAMED)),
        graph("Request bodies", "Bps", (_rate(_CALLED, _SERVICE, of="istio_request_bytes_sum"), _NAMED)),
        graph("Response bodies", "Bps", (_rate(_CALLED, _SERVICE, of="istio_response_bytes_sum"), _NAMED)),
    )


def _rate(matchers: str, *by: str, of: str = "istio_requests_total") -> str:
    grouping = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouping} (rate({of}{{{matchers}}}[$__rate_interval]))"


def _quantile(share: str, *by: str) -> str:
    waited_for = f'{_CALLED}, response_flags!~"DC|DR"'
    buckets = _rate(waited_for, *by, "le", of="istio_request_duration_milliseconds_bucket")
    return f"histogram_quantile({share}, {buckets})"
