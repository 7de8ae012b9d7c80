"""What the pages and the interfaces of other programs work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from services.kit.db import Database
from services.kit.http import HttpClient
from services.links.client import LinksClient, Token
from services.social_graph.client import SocialGraphClient
from services.users.client import UsersClient
from services.web.feed_store import FeedStore
from services.web.keys import Keys
from services.web.news import News
from services.web.private_feeds import PrivateFeeds
from services.web.programs.identities import Identities
from services.web.programs.limits import Limits
from services.web.public import Public
from services.web.reference import Reference
from services.web.sessions import Sessions
from services.web.settings import WebSettings
from services.web.streams import Streams


@dataclass(frozen=True)
class Deps:
    """Clients of the other services, and this service's own database."""

    settings: WebSettings
    http: HttpClient
    database: Database
    users: UsersClient
    public: Public
    news: News
    keys: Keys
    sessions: Sessions
    feeds: FeedStore
    private_feeds: PrivateFeeds
    streams: Streams
    reference: Reference
    identities: Identities
    limits: Limits

    def links(self, token: Token) -> LinksClient:
        """The links of whoever `token` gives an access token of."""
        return LinksClient(self.http, token, self.settings.links_url)

    def people(self, token: Token) -> SocialGraphClient:
        """Who follows whom, as whoever `token` gives an access token of sees it."""
        return SocialGraphClient(self.http, token, self.settings.social_graph_url)


def deps_of(request: Request) -> Deps:
    """What `app.py` has composed, for a route that is no typed endpoint."""
    deps: Deps = request.app.state.kit.running.deps
    return deps
