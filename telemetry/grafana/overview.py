"""The first look: is anything wrong, and where."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, grid, number, row

_OURS = 'reporter="source", destination_service_namespace=~"delinkcious|unknown"'
_AT_EDGE = 'reporter="source", source_workload=~"ingressgateway.*"'
_NOT_FAILED = 'response_code!~"5.."'
_ALERTS = 'max by (alertname, severity, service, app, pod) (ALERTS{alertstate="firing"})'
_FRESHNESS = "histogram_quantile(0.99, sum by (le) (rate(news_freshness_seconds_bucket[$__range])))"
_POOLS = 'sum by (app) (database_pool_connections{state="busy"}) / sum by (app) (database_pool_limit)'


def overview() -> dashboard.Dashboard:
    made = board("overview", "Delinkcious: overview", "Is anything wrong, and where?")
    made = _work(_requests(_now(made)))
    return made.with_row(row("What runs")).with_panel(
        grid("Versions", [("count by (service, version) (build_info)", "pods")])
    )


def _now(made: dashboard.Dashboard) -> dashboard.Dashboard:
    at_edge = _rate(_AT_EDGE)
    spent = "count(slo:error_budget_left:ratio < 0) or vector(0)"
    failed = f"1 - {_rate(f'{_AT_EDGE}, {_NOT_FAILED}')} / {at_edge}"
    return add(
        made,
        number("Firing alerts", "short", 'count(ALERTS{alertstate="firing"}) or vector(0)'),
        number("Objectives whose budget is spent", "short", spent),
        number("Processes that answer", "percentunit", 'avg(up{job="services"})'),
        number("Requests at the edge", "reqps", at_edge),
        number("Failed at the edge", "percentunit", failed),
        number("News are fresh within (99 %)", "s", _FRESHNESS),
        grid("Alerts", [(_ALERTS, "firing")], none="no alert is firing"),
    )


def _requests(made: dashboard.Dashboard) -> dashboard.Dashboard:
    service, legend = "destination_service_name", "{{destination_service_name}}"
    failed = f"1 - {_rate(f'{_OURS}, {_NOT_FAILED}', service)} / {_rate(_OURS, service)}"
    durations = f'istio_request_duration_milliseconds_bucket{{{_OURS}, response_flags!~"DC|DR"}}'
    slowest = f"histogram_quantile(0.95, sum by ({service}, le) (rate({durations}[$__rate_interval])))"
    return add(
        made.with_row(row("Requests, as their callers see them")),
        graph("Requests", "reqps", (_rate(_OURS, service), legend)),
        graph("Failed", "percentunit", (failed, legend)),
        graph("Answered within, 95 %", "ms", (slowest, legend)),
        graph("At the edge, by status", "reqps", (_rate(_AT_EDGE, "response_code"), "{{response_code}}")),
    )


def _work(made: dashboard.Dashboard) -> dashboard.Dashboard:
    processors = 'sum by (app) (rate(process_cpu_seconds_total{job="services"}[$__rate_interval]))'
    memory = 'sum by (app) (process_resident_memory_bytes{job="services"})'
    waiting = ("max by (consumer) (events_pending)", "{{consumer}}")
    unpublished = ("max by (app) (outbox_rows)", "outbox of {{app}}")
    return add(
        made.with_row(row("What they live on")),
        graph("Processors", "short", (processors, "{{app}}")),
        graph("Memory", "bytes", (memory, "{{app}}")),
        graph("Events that wait", "short", waiting, unpublished),
        graph("Connections to PostgreSQL, in use", "percentunit", (_POOLS, "{{app}}")),
    )


def _rate(matchers: str, *by: str) -> str:
    grouping = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouping} (rate(istio_requests_total{{{matchers}}}[$__rate_interval]))"
