"""The social graph composed: its settings, what its handlers work with, its tables of requests."""

from __future__ import annotations

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.events.consumer import Consumer, ConsumerMetrics
from services.kit.events.outbox import publish_from
from services.kit.resources import Resources
from services.social_graph import api, internal_api
from services.social_graph.accounts import Accounts
from services.social_graph.api import Deps
from services.social_graph.consuming import CONSUMER, subscriptions
from services.social_graph.directory import Directory
from services.social_graph.list_store import ListStore
from services.social_graph.people_store import PeopleStore
from services.social_graph.settings import SocialGraphSettings
from services.social_graph.store import GraphStore

VERSION = "1"
ENDPOINTS = (*api.ENDPOINTS, *internal_api.ENDPOINTS)


def create(settings: SocialGraphSettings) -> Starlette:
    """The ASGI application; raises InvalidSettings."""

    async def open_deps(resources: Resources) -> Deps:
        database, registry = resources.database, resources.registry
        people = PeopleStore(database)
        broker = await publish_from(resources, settings, "social-graph")
        if broker is not None:
            metrics = ConsumerMetrics(registry, CONSUMER)
            consumer = Consumer(broker, CONSUMER, subscriptions(people), metrics, resources.recorder)
            await resources.enter("consumer", consumer.running())
        accounts = Accounts(resources.http, settings.users_url, settings.service_token, registry)
        graph = GraphStore(database, settings.limits())

        def obey(_: SocialGraphSettings, after: SocialGraphSettings) -> None:
            graph.limits = after.limits()

        resources.live.follow(obey)
        return Deps(graph=graph, lists=ListStore(database), directory=Directory(people, accounts))

    return create_app(
        service="social-graph", version=VERSION, endpoints=ENDPOINTS, open_deps=open_deps, settings=settings
    )


def main() -> None:
    """Serve, and exit."""
    run.main("services.social_graph", SocialGraphSettings, create)
