"""Events from the outbox through the broker to whoever handles them; news and link checks."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, number, row

_HANDLING = "events_handling_duration_seconds"


def events() -> dashboard.Dashboard:
    made = board("events", "Delinkcious: events", "Outbox, broker, consumers, news and link checks.")
    given_up = "sum(increase(events_dead_lettered_total[$__range]))"
    made = add(
        made,
        number("Oldest event in an outbox", "s", "max(outbox_lag_seconds)", width=6),
        number("Events that wait", "short", "sum(max by (consumer) (events_pending))", width=6),
        number("Given up within the range", "short", given_up, width=6),
        number("Broker reached by", "percentunit", "avg(nats_connected)", width=6),
    )
    return _news_and_checks(_handling(_publishing(made)))


def _publishing(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return add(
        made.with_row(row("Publishing")),
        graph("Published", "ops", (_rate("events_published_total", "type"), "{{type}}")),
        graph("Rounds that failed", "ops", (_rate("events_publish_failures_total", "app"), "{{app}}")),
        graph("Oldest in the outbox", "s", ("max by (app) (outbox_lag_seconds)", "{{app}}")),
        graph("Rows in the outbox", "short", ("max by (app) (outbox_rows)", "{{app}}")),
    )


def _handling(made: dashboard.Dashboard) -> dashboard.Dashboard:
    handled = (_rate(f"{_HANDLING}_count", "consumer", "outcome"), "{{consumer}} {{outcome}}")
    within = (_quantile("0.99", _HANDLING, "consumer", "type"), "{{consumer}} {{type}}")
    again = (_rate("events_redelivered_total", "consumer"), "{{consumer}} again")
    given_up = (_rate("events_dead_lettered_total", "consumer"), "{{consumer}} given up")
    return add(
        made.with_row(row("Handling")),
        graph("Waiting", "short", ("max by (consumer) (events_pending)", "{{consumer}}")),
        graph("Handled", "ops", handled),
        graph("99 % handled within", "s", within, exemplars=True),
        graph("Came again, given up", "ops", again, given_up),
    )


def _news_and_checks(made: dashboard.Dashboard) -> dashboard.Dashboard:
    half = (_quantile("0.5", "news_freshness_seconds"), "half within")
    most = (_quantile("0.99", "news_freshness_seconds"), "99 % within")
    first = ("max(link_checker_queue_age_seconds)", "the first in the queue")
    return add(
        made.with_row(row("News and link checks")),
        graph("From a save to the news of followers", "s", half, most, exemplars=True),
        graph("Link checks wait", "s", first),
        graph("Link checks", "ops", (_rate("link_checker_checks_total", "finding"), "{{finding}}")),
        graph("Health of links", "short", ("max by (state) (link_health)", "{{state}}")),
    )


def _rate(name: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (rate({name}[$__rate_interval]))"


def _quantile(share: str, name: str, *by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', *by, 'le')})"
