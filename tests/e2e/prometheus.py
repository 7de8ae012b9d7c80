"""The installation's Prometheus, as a test asks it."""

from __future__ import annotations

from collections import Counter

import httpx


class Prometheus:
    """The installation's Prometheus, asked by its HTTP interface."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=30.0)

    def has_data(self, query: str) -> bool:
        """Whether the query gives a number; fails when Prometheus refuses it."""
        answer = self.client.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", f"{query}: {answer.get('error')}"
        result = answer["data"]["result"]
        samples = [one["value"][1] for one in result] if answer["data"]["resultType"] == "vector" else []
        return any(value != "NaN" for value in samples)

    def rules(self) -> list[dict[str, str]]:
        groups = self.client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def by(self, label: str, query: str) -> Counter[str]:
        """The numbers that a query gives now, by a label; those that are 0 are left out."""
        answer = self.client.get("/api/v1/query", params={"query": f"sum by ({label}) ({query})"}).json()
        assert answer["status"] == "success", f"{query}: {answer.get('error')}"
        found = {one["metric"][label]: round(float(one["value"][1])) for one in answer["data"]["result"]}
        return Counter({name: number for name, number in found.items() if number})
