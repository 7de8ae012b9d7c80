"""The mesh, from Istio's own metrics: who calls whom, how, and what became of it. Works on any Istio."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, grid, number, row

_EDGE = "source_workload, destination_service_name, destination_version"
_CALLS = 'istio_requests_total{reporter="source"}'
_SERVED = 'istio_requests_total{reporter="destination"}'
_LEFT = "min by (pod) (envoy_listener_ssl_certificate_expiration_unix_time_seconds) - time()"


def mesh() -> dashboard.Dashboard:
    made = board("mesh", "Delinkcious: mesh", "Who calls whom through the sidecars, and what became of it.")
    secure = 'istio_requests_total{reporter="destination", connection_security_policy="mutual_tls"}'
    made = add(
        made,
        number("Requests", "reqps", f"sum({_rate(_CALLS)})", width=6),
        number("With mutual TLS", "percentunit", f"sum({_rate(secure)}) / sum({_rate(_SERVED)})", width=6),
        number(
            "Answered", "percentunit", f"sum({_rate(_not_failed(_CALLS))}) / sum({_rate(_CALLS)})", width=6
        ),
        number("Shortest life of a certificate", "s", f"min({_LEFT})", width=6),
        grid(
            "Who calls whom",
            [
                (f"sum by ({_EDGE}) ({_rate(_CALLS)})", "requests per second"),
                (
                    f"1 - sum by ({_EDGE}) ({_rate(_not_failed(_CALLS))}) / sum by ({_EDGE}) ({_rate(_CALLS)})",
                    "failed",
                ),
                (f"histogram_quantile(0.99, {_durations(_EDGE)})", "99 % within ms"),
            ],
            about="From the sidecar of the caller. What answers no version did not reach a server.",
        ),
    ).with_row(row("Outcomes"))
    made = add(
        made,
        graph("By status", "reqps", (_by("response_code"), "{{response_code}}")),
        graph("By response flag", "reqps", (_by("response_flags"), "{{response_flags}}"), about=_FLAGS),
        graph(
            "By version",
            "reqps",
            (
                _by("destination_service_name, destination_version"),
                "{{destination_service_name}} {{destination_version}}",
            ),
        ),
        graph(
            "Mutual TLS or not",
            "reqps",
            (f"sum by (connection_security_policy) ({_rate(_SERVED)})", "{{connection_security_policy}}"),
        ),
    ).with_row(row("Durations and sizes"))
    made = add(
        made,
        graph(
            "Within, half of them",
            "ms",
            (
                f"histogram_quantile(0.5, {_durations('destination_service_name')})",
                "{{destination_service_name}}",
            ),
        ),
        graph(
            "Within, 99 %",
            "ms",
            (
                f"histogram_quantile(0.99, {_durations('destination_service_name')})",
                "{{destination_service_name}}",
            ),
        ),
        graph("Request bodies", "Bps", (_bytes("istio_request_bytes_sum"), "{{destination_service_name}}")),
        graph("Response bodies", "Bps", (_bytes("istio_response_bytes_sum"), "{{destination_service_name}}")),
    ).with_row(row("Proxies"))
    return add(
        made,
        graph("Certificates live for", "s", (_LEFT, "{{pod}}")),
        graph("Memory of proxies", "bytes", ("max by (pod) (envoy_server_memory_allocated)", "{{pod}}")),
    )


_FLAGS = (
    "DI, FI: an injected delay or failure. UH: no healthy server. UF: no connection. UT: no answer in time. "
    "URX: retried in vain. NR, NC: no such route, no such cluster. DC: the caller went away. RL: limited."
)


def _rate(series: str) -> str:
    return f"rate({series}[$__rate_interval])"


def _not_failed(series: str) -> str:
    return series.removesuffix("}") + ', response_code!~"5.."}'


def _by(labels: str) -> str:
    return f"sum by ({labels}) ({_rate(_CALLS)})"


def _durations(labels: str) -> str:
    series = 'istio_request_duration_milliseconds_bucket{reporter="source", response_flags!~"DC|DR"}'
    return f"sum by ({labels}, le) ({_rate(series)})"


def _bytes(name: str) -> str:
    series = f'{name}{{reporter="source"}}'
    return f"sum by (destination_service_name) ({_rate(series)})"
