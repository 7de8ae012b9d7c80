"""Events between services: from the outbox through the broker to whoever handles them; news and link checks."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, number, row


def events() -> dashboard.Dashboard:
    made = board("events", "Delinkcious: events", "Outbox, broker, consumers, news and link checks.")
    made = add(
        made,
        number("Oldest event in an outbox", "s", "max(outbox_lag_seconds)", width=6),
        number(
            "Events that wait for a consumer", "short", "sum(max by (consumer) (events_pending))", width=6
        ),
        number(
            "Given up within the range",
            "short",
            "sum(increase(events_dead_lettered_total[$__range]))",
            width=6,
        ),
        number("Broker reached by", "percentunit", "avg(nats_connected)", width=6),
    ).with_row(row("Publishing"))
    made = add(
        made,
        graph("Published", "ops", (f"sum by (type) ({_rate('events_published_total')})", "{{type}}")),
        graph(
            "Rounds that failed",
            "ops",
            (f"sum by (app) ({_rate('events_publish_failures_total')})", "{{app}}"),
        ),
        graph("Oldest in the outbox", "s", ("max by (app) (outbox_lag_seconds)", "{{app}}")),
        graph("Rows in the outbox", "short", ("max by (app) (outbox_rows)", "{{app}}")),
    ).with_row(row("Handling"))
    made = add(
        made,
        graph("Waiting", "short", ("max by (consumer) (events_pending)", "{{consumer}}")),
        graph(
            "Handled",
            "ops",
            (
                f"sum by (consumer, outcome) ({_rate('events_handling_duration_seconds_count')})",
                "{{consumer}} {{outcome}}",
            ),
        ),
        graph(
            "Handled within, 99 %",
            "s",
            (
                _quantile("0.99", "events_handling_duration_seconds", "consumer, type"),
                "{{consumer}} {{type}}",
            ),
            exemplars=True,
        ),
        graph(
            "Came again, given up",
            "ops",
            (f"sum by (consumer) ({_rate('events_redelivered_total')})", "{{consumer}} again"),
            (f"sum by (consumer) ({_rate('events_dead_lettered_total')})", "{{consumer}} given up"),
        ),
    ).with_row(row("News and link checks"))
    return add(
        made,
        graph(
            "From a save to the news of followers",
            "s",
            (_quantile("0.5", "news_freshness_seconds", ""), "half within"),
            (_quantile("0.99", "news_freshness_seconds", ""), "99 % within"),
            exemplars=True,
        ),
        graph("Link checks wait", "s", ("max(link_checker_queue_age_seconds)", "the first in the queue")),
        graph(
            "Link checks", "ops", (f"sum by (finding) ({_rate('link_checker_checks_total')})", "{{finding}}")
        ),
        graph("Health of links", "short", ("max by (state) (link_health)", "{{state}}")),
    )


def _rate(series: str) -> str:
    return f"rate({series}[$__rate_interval])"


def _quantile(share: str, name: str, by: str) -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({_rate(f'{name}_bucket')}))"
