"""One service: rate, errors and duration of its routes; use, saturation and errors of what it works with."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, row, variable

_OURS = 'app=~"$service"'
_OWN = f'{_OURS}, job="services"'
_HTTP, _RPC = "http_server_request_duration_seconds", "rpc_server_duration_seconds"
_PEERS, _CLOCK = "http_client_request_duration_seconds", f"process_clock_seconds{{{_OWN}}}"


def service() -> dashboard.Dashboard:
    made = board("service", "Delinkcious: a service", "What a service does and what it works with.")
    made = made.with_variable(variable("service", "Service", "label_values(build_info, service)"))
    return _process(_peers(_stores(_requests(made))))


def _requests(made: dashboard.Dashboard) -> dashboard.Dashboard:
    by, legend = ("app", "method", "route"), "{{app}} {{method}} {{route}}"
    all_, well = _rate(f"{_HTTP}_count", *by), _rate(f"{_HTTP}_count", *by, where='status!~"5.."')
    calls = (_rate(f"{_RPC}_count", "app", "method", "code"), "{{app}} {{method}} {{code}}")
    calls_within = (_quantile("0.99", _RPC, "app", "method"), "{{app}} {{method}}")
    shed = (_rate("http_server_shed_requests_total", "app"), "{{app}} requests")
    calls_shed = (_rate("rpc_server_shed_calls_total", "app"), "{{app}} calls")
    return add(
        made.with_row(row("Requests")),
        graph("By route", "reqps", (all_, legend)),
        graph("Failed by route", "percentunit", (f"1 - {well} / {all_}", legend)),
        graph("Half answered within", "s", (_quantile("0.5", _HTTP, *by), legend), exemplars=True),
        graph("99 % answered within", "s", (_quantile("0.99", _HTTP, *by), legend), exemplars=True),
        graph("Calls (gRPC)", "reqps", calls),
        graph("99 % of calls answered within", "s", calls_within, exemplars=True),
        graph("Being answered", "short", (_now("http_server_active_requests", "app", "pod"), "{{pod}}")),
        graph("Refused to stay within capacity", "reqps", shed, calls_shed),
    )


def _stores(made: dashboard.Dashboard) -> dashboard.Dashboard:
    state, most = "{{app}} {{state}}", "{{app}} at most"
    postgres = (_now("database_pool_connections", "app", "state"), state)
    redis = (_now("redis_pool_connections", "app", "state"), state)
    waited = (_quantile("0.99", "database_pool_wait_seconds", "app"), "{{app}}")
    return add(
        made.with_row(row("Stores")),
        graph("PostgreSQL connections", "short", postgres, (_now("database_pool_limit", "app"), most)),
        graph("99 % got a connection within", "s", waited, exemplars=True),
        graph("No connection in time", "ops", (_rate("database_pool_timeouts_total", "app"), "{{app}}")),
        graph("Redis connections", "short", redis, (_now("redis_pool_limit", "app"), most)),
    )


def _peers(made: dashboard.Dashboard) -> dashboard.Dashboard:
    to = "{{app}} to {{peer}}"
    calls = (_rate(f"{_PEERS}_count", "app", "peer", "status"), to + ": {{status}}")
    within = (_quantile("0.99", _PEERS, "app", "peer"), to)
    return add(
        made.with_row(row("Peers")),
        graph("Calls to peers", "reqps", calls),
        graph("99 % of peers' answers within", "s", within, exemplars=True),
        graph("Connections to peers", "short", (_now("http_client_connections", "app", "peer"), to)),
        graph("Broker reached", "short", (f"min by (app) (nats_connected{{{_OURS}}})", "{{app}}")),
    )


def _process(made: dashboard.Dashboard) -> dashboard.Dashboard:
    collections = (_rate("python_gc_collections_total", "app", "generation"), "{{app}} {{generation}}")
    late = (_quantile("0.99", "event_loop_lag_seconds", "app", "pod"), "{{pod}}")
    wrong = (f"max by (app, pod) ({_CLOCK} - timestamp({_CLOCK}))", "{{pod}}")
    sent = (_rate("telemetry_spans_exported_total", "app"), "{{app}} sent")
    dropped = (_rate("telemetry_spans_dropped_total", "app"), "{{app}} dropped")
    return add(
        made.with_row(row("Processes")),
        graph("Processors", "short", (_rate("process_cpu_seconds_total", "app", "pod"), "{{pod}}")),
        graph("Memory", "bytes", (_now("process_resident_memory_bytes", "app", "pod"), "{{pod}}")),
        graph("Event loop late by, 99 %", "s", late),
        graph("Garbage collections", "ops", collections),
        graph("Open files", "short", (_now("process_open_fds", "app", "pod"), "{{pod}}")),
        graph("Clock ahead of Prometheus'", "s", wrong),
        graph("Spans", "ops", sent, dropped),
        graph("Log lines dropped", "ops", (_rate("telemetry_log_lines_dropped_total", "app"), "{{app}}")),
    )


def _now(name: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({name}{{{_OWN}}})"


def _rate(name: str, *by: str, where: str = "") -> str:
    matchers = f"{_OWN}, {where}" if where else _OWN
    return f"sum by ({', '.join(by)}) (rate({name}{{{matchers}}}[$__rate_interval]))"


def _quantile(share: str, name: str, *by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', *by, 'le')})"
