"""The link checker as other services use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.settings import Secret
from services.link_checker.domain import (
    OLDER_LINKS,
    KnownLink,
    OlderLinks,
    PageInfo,
    PageRequest,
    Place,
    Progress,
    snapshot,
)

__all__ = [
    "OLDER_LINKS",
    "KnownLink",
    "LinkCheckerClient",
    "OlderLinks",
    "PageInfo",
    "Place",
    "Progress",
    "snapshot",
]

T = TypeVar("T")


@dataclass(frozen=True)
class LinkCheckerClient:
    """Calls for no user. Raises the kit's Problems: Unprocessable (member `reason`) when there is no page."""

    http: HttpClient
    service_token: Secret
    base_url: str = "http://link-checker"

    async def page(self, url: str) -> PageInfo:
        """Title, description and preview image of the page at an address."""
        return await self._call("POST", "/pages", PageInfo, PageRequest(url=url))

    async def backfill(self) -> Progress:
        """How far the older links are told."""
        return await self._call("GET", "/backfill", Progress)

    async def tell(self, page: OlderLinks) -> Progress:
        """Tell of the next older links."""
        return await self._call("POST", "/backfill", Progress, page)

    async def restart_backfill(self) -> None:
        """Let the backfill begin anew."""
        await self._call("DELETE", "/backfill", type(None))

    async def _call(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        return await self.http.call(
            method,
            f"{self.base_url}/internal/v1{path}",
            kind,
            body=body,
            headers={SERVICE_TOKEN: self.service_token.first()},
        )
