"""The web service composed: its settings, what its pages work with, its tables of requests."""

from __future__ import annotations

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.events.bus import open_bus
from services.kit.events.consumer import Consumer, ConsumerMetrics
from services.kit.resources import Resources
from services.news.client import open_news
from services.users.client import UsersClient
from services.web import consuming, linkding, news_api, pages, pinboard
from services.web.departures import Departures
from services.web.deps import Deps
from services.web.feed_store import FeedStore
from services.web.housekeeping import cleaning
from services.web.keys import Keys
from services.web.news import News
from services.web.private_feeds import PrivateFeeds
from services.web.programs.identities import Identities
from services.web.programs.limits import Limits
from services.web.public import Public
from services.web.reference import Reference, own_description
from services.web.sessions import Sessions
from services.web.settings import WebSettings
from services.web.sign_ins import SignIns
from services.web.streams import Streams

VERSION = "1"
ENDPOINTS = news_api.ENDPOINTS
# At /openapi.json stands the description of all services together.
DESCRIBED_AT = "/openapi/web.json"


def create(settings: WebSettings) -> Starlette:
    """The ASGI application; raises InvalidSettings."""
    keys = Keys(settings.cookie_key)

    async def open_deps(resources: Resources) -> Deps:
        http, database = resources.http, resources.database
        users = UsersClient(http, settings.users_url, settings.service_token)
        sessions = Sessions(database, users, keys, SignIns(users, resources.registry))
        feeds = FeedStore(database)
        await resources.enter("housekeeping", cleaning(sessions.store))
        if settings.nats_url:
            broker = await resources.enter(
                "broker", open_bus(settings.nats_url, "web", resources.registry, settings.nats_replicas)
            )
            events = consuming.subscriptions(Departures(database))
            metrics = ConsumerMetrics(resources.registry, consuming.CONSUMER)
            consumer = Consumer(broker, consuming.CONSUMER, events, metrics, resources.recorder)
            await resources.enter("consumer", consumer.running())
        public = Public(http, settings, users)
        channel = open_news(settings.grpc_proxy, settings.news_address)
        streams = Streams(settings.max_streams)

        def obey(_: WebSettings, after: WebSettings) -> None:
            streams.most = after.max_streams

        resources.live.follow(obey)
        return Deps(
            settings=settings,
            http=http,
            database=database,
            users=users,
            public=public,
            news=News(await resources.enter("news", channel), public),
            keys=keys,
            sessions=sessions,
            feeds=feeds,
            private_feeds=PrivateFeeds(feeds, users, keys),
            streams=streams,
            reference=Reference(http, settings.described(), own_description("web", VERSION, ENDPOINTS)),
            identities=Identities(users),
            limits=Limits(),
        )

    return create_app(
        service="web",
        version=VERSION,
        endpoints=ENDPOINTS,
        open_deps=open_deps,
        settings=settings,
        described_at=DESCRIBED_AT,
        pages=[*news_api.ROUTES, *pinboard.ROUTES, *linkding.ROUTES, *pages.ROUTES],
    )


def main() -> None:
    """Serve, and exit."""
    run.main("services.web", WebSettings, create)
