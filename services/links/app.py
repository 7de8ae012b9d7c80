"""The links service composed: its settings, what its handlers work with, its table of requests."""

from __future__ import annotations

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.events.consumer import Consumer, ConsumerMetrics
from services.kit.events.outbox import publish_from
from services.kit.resources import Resources
from services.link_checker.client import LinkCheckerClient
from services.links import api, consuming, internal_api, listing_api, tag_api
from services.links.api import Deps
from services.links.backfill import Backfill
from services.links.bookmarks import api as bookmarks_api
from services.links.bookmarks.exports import Exports
from services.links.bookmarks.imports import Imports
from services.links.bookmarks.store import ExportStore, ImportStore
from services.links.bulk_store import BulkStore
from services.links.events_store import EventStore
from services.links.feed_store import FeedStore
from services.links.listing_store import ListingStore
from services.links.places import places_of_searches
from services.links.search import api as search_api
from services.links.search.store import SearchStore
from services.links.settings import LinksSettings
from services.links.store import LinkStore
from services.links.tag_store import TagStore

VERSION = "1"
ENDPOINTS = (
    *api.ENDPOINTS,
    *listing_api.ENDPOINTS,
    *tag_api.ENDPOINTS,
    *search_api.ENDPOINTS,
    *bookmarks_api.ENDPOINTS,
    *internal_api.ENDPOINTS,
)


def create(settings: LinksSettings) -> Starlette:
    """The ASGI application; raises InvalidSettings."""

    async def open_deps(resources: Resources) -> Deps:
        database = resources.database
        broker = await publish_from(resources, settings, "links")
        if broker is not None:
            metrics = ConsumerMetrics(resources.registry, consuming.CONSUMER)
            events = consuming.subscriptions(EventStore(database))
            consumer = Consumer(broker, consuming.CONSUMER, events, metrics, resources.recorder)
            await resources.enter("consumer", consumer.running())
            checker = LinkCheckerClient(resources.http, settings.service_token, settings.link_checker_url)
            await resources.enter("backfill", Backfill(FeedStore(database), checker).running())
        links = LinkStore(database, max_links=settings.max_links_per_user)
        imports = ImportStore(database, max_links=settings.max_links_per_user)

        def obey(_: LinksSettings, after: LinksSettings) -> None:
            links.max_links = imports.max_links = after.max_links_per_user

        resources.live.follow(obey)
        return Deps(
            links=links,
            tags=TagStore(database),
            bulk=BulkStore(database),
            search=SearchStore(database),
            listing=ListingStore(database),
            imports=Imports(
                imports,
                places=settings.max_imports,
                uploads=settings.max_uploads,
            ),
            exports=Exports(ExportStore(database), places=settings.max_exports),
            feeds=FeedStore(database),
            costly=places_of_searches(settings.database_pool_size),
        )

    return create_app(
        service="links", version=VERSION, endpoints=ENDPOINTS, open_deps=open_deps, settings=settings
    )


def main() -> None:
    """Serve, and exit."""
    run.main("services.links", LinksSettings, create)
