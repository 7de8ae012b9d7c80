"""docs/metrics.md is the truth: every service exposes what the table says, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import importlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from services.kit.background import end
from services.kit.run import watches
from services.kit.settings import Secret, ServiceSettings
from tests.access_tokens import AUDIENCE, ISSUER
from tests.conftest import MigratedDatabase, RunningNats, RunningRedis

pytestmark = pytest.mark.anyio

SERVICES = {
    "users": "UsersSettings",
    "links": "LinksSettings",
    "social-graph": "SocialGraphSettings",
    "news": "NewsSettings",
    "link-checker": "CheckerSettings",
    "web": "WebSettings",
}
ROW = re.compile(r"\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|")
# Of the standard library's own interpreter: which it has is not ours to say.
FOREIGN = ("process_", "python_")
MAX_LABELS = 3


class Metric(NamedTuple):
    """A row of the table, without what it means."""

    name: str
    kind: str
    labels: str


def exposed(registry: CollectorRegistry) -> Iterator[Metric]:
    """What a registry exposes, also where no request has made a series yet."""
    for collector in list(registry._collector_to_names):
        own = collector._labelnames if isinstance(collector, MetricWrapperBase) else ()
        for family in collector.collect():
            if not family.name.startswith(FOREIGN):
                name = family.name + ("_total" if family.type == "counter" else "")
                assert len(own) <= MAX_LABELS, name
                yield Metric(name, family.type, ", ".join(f"`{label}`" for label in own) or "none")


def settings_of(service: str, **values: Any) -> ServiceSettings:
    module = importlib.import_module(f"services.{service.replace('-', '_')}.settings")
    kind: type[ServiceSettings] = getattr(module, SERVICES[service])
    return kind(**{name: value for name, value in values.items() if name in kind.__struct_fields__})


async def found_in(service: str, settings: ServiceSettings) -> set[Metric]:
    """What the service exposes while it runs."""
    app = importlib.import_module(f"services.{service.replace('-', '_')}.app").create(settings)
    async with app.router.lifespan_context(app):
        registry = app.state.kit.registry
        beside = [asyncio.create_task(work) for work in watches(app.state.kit, settings)]
        await asyncio.sleep(0)
        try:
            return set(exposed(registry))
        finally:
            await end(*beside)


async def test_the_table_of_metrics_is_what_the_services_expose(
    migrated_database: MigratedDatabase,
    broker: RunningNats,
    redis_server: RunningRedis,
    jwks_url: str,
    repository: Path,
) -> None:
    users: dict[Metric, set[str]] = defaultdict(set)
    for service in SERVICES:
        package = f"services.{service.replace('-', '_')}"
        stored = service != "news"
        settings = settings_of(
            service,
            host="127.0.0.1",
            grpc_port=0,
            database_url=Secret(await migrated_database(package) if stored else ""),
            nats_url=broker.url(service),
            redis_url=redis_server.url(9),
            jwks_url=jwks_url,
            issuer=ISSUER,
            audience=AUDIENCE,
            service_token=Secret("between services"),
            otel_exporter_otlp_endpoint="http://127.0.0.1:9",
            cookie_key=Secret("a key that is long enough for all there is to sign"),
            key_encryption_key=Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
        )
        for metric in await found_in(service, settings):
            users[metric].add(service)
    table = (repository / "docs" / "metrics.md").read_text()
    written = {Metric(*row[:3]): row[3] for row in ROW.findall(table)}
    right = {metric: of(services) for metric, services in users.items()}
    rows = sorted(right.keys() - written)
    lacking = [f"| `{row.name}` | {row.kind} | {row.labels} | {right[row]} | |" for row in rows]
    assert not lacking, "docs/metrics.md lacks:\n" + "\n".join(lacking)
    assert written == right


def of(services: set[str]) -> str:
    return "all" if services == set(SERVICES) else ", ".join(sorted(services))
