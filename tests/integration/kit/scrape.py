"""What a process' `/metrics` says, as numbers."""

from __future__ import annotations

from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families

REQUESTS = "http_server_request_duration_seconds"

Series = tuple[str, frozenset[tuple[str, str]]]
Sent = tuple[str, str, int]  # method, route, status


class Scraped:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.samples: dict[Series, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Of one series; 0 when it is not there."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def requests(self) -> Counter[Sent]:
        """How often which request was answered how."""
        return Counter(
            {
                (labels["method"], labels["route"], int(labels["status"])): int(value)
                for (name, pairs), value in self.samples.items()
                if name == f"{REQUESTS}_count"
                for labels in [dict(pairs)]
            }
        )


async def scrape(client: httpx.AsyncClient, port: int) -> Scraped:
    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return Scraped(answer.text)
