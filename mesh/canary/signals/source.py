"""What a rollout asks of a source of evidence: Prometheus, or the proxies themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from mesh.canary.model import ArmSample

# Flags of requests that no pod has answered: upstream failures, no route, retries used up, client gone.
ERROR_FLAGS = ("UF", "UH", "UC", "NR", "URX", "DC")


class NoEvidence(Exception):
    """Why this scrape says nothing, as a sentence: a source that is away, or pods that did not answer."""


@dataclass(frozen=True)
class Measured:
    """Whose requests: an application's two versions, as Istio's labels name them.

    `edges_ms` are upper edges of buckets of istio_request_duration_milliseconds; `error_flags` are response
    flags that count as errors beside 5xx and gRPC statuses other than OK.

    `reporter` is who counts an arm's requests: its callers' proxies, which see requests that no pod answered,
    or its pods' own, which see copies of requests: no caller's proxy counts a copy that it sends. `method` is
    a value of the label request_method, which the mesh's Telemetry gives to what pods' proxies count: only
    requests with it are evidence; "" for all.
    """

    namespace: str
    service: str
    app: str
    stable: str
    canary: str
    edges_ms: tuple[float, ...]
    error_flags: tuple[str, ...] = ERROR_FLAGS
    reporter: Literal["source", "destination"] = "source"
    method: str = ""


@dataclass(frozen=True)
class Scrape:
    """What both arms answered since the last one: from the oldest counter before it to the newest now.

    Times in Unix seconds.
    """

    since: float
    until: float
    stable: ArmSample
    canary: ArmSample


class Source(Protocol):
    """Deltas of raw counters. One source a run: it remembers what it has read."""

    async def scrape(self) -> Scrape | None:
        """What is new, None where the counters have not been read again since.

        The first call only remembers. Raises NoEvidence.
        """

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        """Stable's scrapes of the last `span_s` seconds, oldest first; none where nothing is kept.

        Raises NoEvidence.
        """

    async def bounds_ms(self) -> tuple[float, ...]:
        """Where buckets of the durations end in what all who count requests show; none before a request.

        Raises NoEvidence.
        """
