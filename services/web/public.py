"""What is public, asked for on nobody's behalf: people by name, their public links, a page's title."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.page import Page
from services.link_checker.client import LinkCheckerClient, PageInfo
from services.links.client import Link
from services.users.client import PublicUser, UsersClient
from services.web.settings import WebSettings


@dataclass(frozen=True)
class Public:
    """Calls from service to service; raises the kit's Problems."""

    http: HttpClient
    settings: WebSettings
    users: UsersClient

    async def person(self, username: str) -> PublicUser:
        """Somebody by name; raises NotFound."""
        return await self.users.user_by_name(username)

    async def names(self, ids: Iterable[int]) -> dict[int, str]:
        """Usernames by id; at most a hundred, unknown ones absent."""
        wanted = sorted(set(ids))
        found = await self.users.users_by_ids(wanted) if wanted else []
        return {person.user_id: person.username for person in found}

    async def links(
        self, owner_id: int, *, tag: str = "", cursor: str | None = None, limit: int = 20
    ) -> Page[Link]:
        """A page of somebody's public links, newest first."""
        given = {"owner": owner_id, "tag": tag or None, "cursor": cursor, "limit": limit}
        params = {name: value for name, value in given.items() if value is not None}
        url = f"{self.settings.links_url}/internal/v1/public-links"
        return await self.http.call("GET", url, Page[Link], params=params, headers=self._headers)

    async def page(self, url: str) -> PageInfo:
        """A page's title and description, fetched where no private address can be reached."""
        settings = self.settings
        checker = LinkCheckerClient(self.http, settings.service_token, settings.link_checker_url)
        return await checker.page(url)

    @property
    def _headers(self) -> dict[str, str]:
        return {SERVICE_TOKEN: self.settings.service_token.first()}
