"""What handlers and commands work with, put together from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.http import HttpClient
from services.news.author_store import AuthorStore
from services.news.changes import Changes
from services.news.connection import Connection
from services.news.epoch_store import EpochStore
from services.news.reader_store import ReaderStore
from services.news.reading import News
from services.news.rebuilding import Builder
from services.news.settings import NewsSettings
from services.news.sources import Sources
from services.news.watching import Watch


@dataclass(frozen=True)
class Deps:
    """What the methods work with."""

    news: News
    watch: Watch


def compose(settings: NewsSettings, redis: Connection, http: HttpClient) -> Builder:
    """Everything that reads and writes timelines."""
    authors, readers = AuthorStore(redis, settings.timeline_cap), ReaderStore(redis, settings.timeline_cap)
    epochs = EpochStore(redis)
    sources = Sources(http, settings.service_token, settings.links_url, settings.social_graph_url)
    changes = Changes(authors, readers, epochs, sources, settings.hot_followers)
    return Builder(changes, News(readers, authors, epochs, settings.timeline_cap), epochs)
