"""The first look: is anything wrong, and where."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, grid, number, row

_REQUESTS = 'istio_requests_total{reporter="source", destination_service_namespace="delinkcious"}'
_FAILED = (
    'istio_requests_total{reporter="source", destination_service_namespace="delinkcious", '
    'response_code=~"5.."}'
)
_DURATIONS = (
    'istio_request_duration_milliseconds_bucket{reporter="source", '
    'destination_service_namespace="delinkcious", response_flags!~"DC|DR"}'
)
_EDGE = 'istio_requests_total{reporter="source", source_workload=~"ingressgateway.*"}'


def overview() -> dashboard.Dashboard:
    made = board("overview", "Delinkcious: overview", "Is anything wrong, and where?")
    made = add(
        made,
        number("Firing alerts", "short", 'count(ALERTS{alertstate="firing"}) or vector(0)'),
        number(
            "Objectives whose budget is spent", "short", "count(slo:error_budget_left:ratio < 0) or vector(0)"
        ),
        number("Processes that answer", "percentunit", 'avg(up{job="services"})'),
        number("Requests at the edge", "reqps", f"sum(rate({_EDGE}[$__rate_interval]))"),
        number(
            "Failed at the edge",
            "percentunit",
            f'(sum(rate(istio_requests_total{{reporter="source", source_workload=~"ingressgateway.*", '
            f'response_code=~"5.."}}[$__rate_interval])) or vector(0)) / sum(rate({_EDGE}[$__rate_interval]))',
        ),
        number("News are fresh within (99 %)", "s", _freshness("0.99")),
        grid(
            "Alerts",
            [('max by (alertname, severity, service, app, pod) (ALERTS{alertstate="firing"})', "firing")],
            none="no alert is firing",
        ),
    ).with_row(row("Requests, as their callers see them"))
    made = add(
        made,
        graph("Requests", "reqps", (_per_service(_REQUESTS), "{{destination_service_name}}")),
        graph(
            "Failed",
            "percentunit",
            (
                f"1 - ({_per_service(_answered())}) / ({_per_service(_REQUESTS)})",
                "{{destination_service_name}}",
            ),
        ),
        graph("Slowest twentieth", "ms", (_quantile("0.95"), "{{destination_service_name}}")),
        graph(
            "At the edge, by status",
            "reqps",
            (f"sum by (response_code) (rate({_EDGE}[$__rate_interval]))", "{{response_code}}"),
        ),
    ).with_row(row("What they live on"))
    return (
        add(
            made,
            graph(
                "Processors",
                "short",
                (
                    'sum by (app) (rate(process_cpu_seconds_total{job="services"}[$__rate_interval]))',
                    "{{app}}",
                ),
            ),
            graph(
                "Memory", "bytes", ('sum by (app) (process_resident_memory_bytes{job="services"})', "{{app}}")
            ),
            graph(
                "Events that wait",
                "short",
                ("max by (consumer) (events_pending)", "{{consumer}}"),
                ("max by (app) (outbox_rows)", "outbox of {{app}}"),
            ),
            graph(
                "Connections to PostgreSQL, in use",
                "percentunit",
                (
                    'sum by (app) (database_pool_connections{state="busy"}) / sum by (app) (database_pool_limit)',
                    "{{app}}",
                ),
            ),
        )
        .with_row(row("What runs"))
        .with_panel(grid("Versions", [("count by (service, version) (build_info)", "pods")]))
    )


def _per_service(series: str) -> str:
    return f"sum by (destination_service_name) (rate({series}[$__rate_interval]))"


def _answered() -> str:
    return _FAILED.replace("=~", "!~")


def _quantile(share: str) -> str:
    return (
        f"histogram_quantile({share}, sum by (destination_service_name, le) "
        f"(rate({_DURATIONS}[$__rate_interval])))"
    )


def _freshness(share: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate(news_freshness_seconds_bucket[$__range])))"
