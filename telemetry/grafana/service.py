"""One service: rate, errors and duration of its routes; use, saturation and errors of what it works with."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, row, variable

_APP = 'app=~"$service"'
_HTTP = f"http_server_request_duration_seconds_count{{{_APP}}}"
_RPC = f"rpc_server_duration_seconds_count{{{_APP}}}"


def service() -> dashboard.Dashboard:
    made = board("service", "Delinkcious: a service", "What a service does and what it works with.")
    made = made.with_variable(variable("service", "Service", "label_values(build_info, service)"))
    return _resources(_pools(_requests(made)))


def _rate(series: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (rate({series}[$__rate_interval]))"


def _quantile(share: str, name: str, *by: str) -> str:
    series = f"{name}_bucket{{{_APP}}}"
    return f"histogram_quantile({share}, {_rate(series, *by, 'le')})"


def _requests(made: dashboard.Dashboard) -> dashboard.Dashboard:
    answered = f'http_server_request_duration_seconds_count{{{_APP}, status!~"5.."}}'
    route, legend = ("app", "method", "route"), "{{app}} {{method}} {{route}}"
    return add(
        made.with_row(row("Requests")),
        graph("Requests by route", "reqps", (_rate(_HTTP, *route), legend)),
        graph(
            "Failed by route",
            "percentunit",
            (f"1 - {_rate(answered, *route)} / {_rate(_HTTP, *route)}", legend),
        ),
        graph(
            "Answered within, half of them",
            "s",
            (_quantile("0.5", "http_server_request_duration_seconds", *route), legend),
            exemplars=True,
        ),
        graph(
            "Answered within, 99 %",
            "s",
            (_quantile("0.99", "http_server_request_duration_seconds", *route), legend),
            exemplars=True,
        ),
        graph("Calls (gRPC)", "reqps", (_rate(_RPC, "app", "method", "code"), "{{app}} {{method}} {{code}}")),
        graph(
            "Calls answered within, 99 %",
            "s",
            (_quantile("0.99", "rpc_server_duration_seconds", "app", "method"), "{{app}} {{method}}"),
            exemplars=True,
        ),
        graph(
            "Being answered now",
            "short",
            (f"sum by (app, pod) (http_server_active_requests{{{_APP}}})", "{{pod}}"),
        ),
        graph(
            "Refused to stay within capacity",
            "reqps",
            (_rate(f"http_server_shed_requests_total{{{_APP}}}", "app"), "{{app}} requests"),
            (_rate(f"rpc_server_shed_calls_total{{{_APP}}}", "app"), "{{app}} calls"),
        ),
    )


def _pools(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return add(
        made.with_row(row("Connections")),
        graph(
            "PostgreSQL",
            "short",
            (f"sum by (app, state) (database_pool_connections{{{_APP}}})", "{{app}} {{state}}"),
            (f"sum by (app) (database_pool_limit{{{_APP}}})", "{{app}} at most"),
        ),
        graph(
            "Wait for PostgreSQL, 99 %",
            "s",
            (_quantile("0.99", "database_pool_wait_seconds", "app"), "{{app}}"),
            exemplars=True,
        ),
        graph(
            "No connection in time",
            "reqps",
            (_rate(f"database_pool_timeouts_total{{{_APP}}}", "app"), "{{app}}"),
        ),
        graph(
            "Redis",
            "short",
            (f"sum by (app, state) (redis_pool_connections{{{_APP}}})", "{{app}} {{state}}"),
            (f"sum by (app) (redis_pool_limit{{{_APP}}})", "{{app}} at most"),
        ),
        graph(
            "Calls to peers",
            "reqps",
            (
                _rate(f"http_client_request_duration_seconds_count{{{_APP}}}", "app", "peer", "status"),
                "{{app}} to {{peer}}: {{status}}",
            ),
        ),
        graph(
            "Peers answer within, 99 %",
            "s",
            (_quantile("0.99", "http_client_request_duration_seconds", "app", "peer"), "{{app}} to {{peer}}"),
            exemplars=True,
        ),
        graph(
            "Connections to peers",
            "short",
            (f"sum by (app, peer) (http_client_connections{{{_APP}}})", "{{app}} to {{peer}}"),
        ),
        graph("Broker reached", "short", (f"min by (app) (nats_connected{{{_APP}}})", "{{app}}")),
    )


def _resources(made: dashboard.Dashboard) -> dashboard.Dashboard:
    own = f'{_APP}, job="services"'
    return add(
        made.with_row(row("Processes")),
        graph("Processors", "short", (_rate(f"process_cpu_seconds_total{{{own}}}", "app", "pod"), "{{pod}}")),
        graph("Memory", "bytes", (f"max by (app, pod) (process_resident_memory_bytes{{{own}}})", "{{pod}}")),
        graph(
            "Event loop late by, 99 %",
            "s",
            (_quantile("0.99", "event_loop_lag_seconds", "app", "pod"), "{{pod}}"),
        ),
        graph(
            "Garbage collections",
            "ops",
            (
                _rate(f"python_gc_collections_total{{{own}}}", "app", "generation"),
                "{{app}} generation {{generation}}",
            ),
        ),
        graph("Open files", "short", (f"max by (app, pod) (process_open_fds{{{own}}})", "{{pod}}")),
        graph(
            "Clock wrong by",
            "s",
            (
                f"max by (app, pod) (process_clock_seconds{{{own}}} - timestamp(process_clock_seconds{{{own}}}))",
                "{{pod}}",
            ),
        ),
        graph(
            "Spans",
            "ops",
            (_rate(f"telemetry_spans_exported_total{{{_APP}}}", "app"), "{{app}} sent"),
            (_rate(f"telemetry_spans_dropped_total{{{_APP}}}", "app"), "{{app}} dropped"),
        ),
        graph(
            "Log lines dropped",
            "ops",
            (_rate(f"telemetry_log_lines_dropped_total{{{_APP}}}", "app"), "{{app}}"),
        ),
    )
