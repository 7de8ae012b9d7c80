"""The link checker as other services use it."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.http import SERVICE_TOKEN, HttpClient
from services.kit.settings import Secret
from services.link_checker.domain import PageInfo, PageRequest, snapshot

__all__ = ["LinkCheckerClient", "PageInfo", "snapshot"]


@dataclass(frozen=True)
class LinkCheckerClient:
    """Calls for no user. Raises the kit's Problems: Unprocessable (member `reason`) when there is no page."""

    http: HttpClient
    service_token: Secret
    base_url: str = "http://link-checker"

    async def page(self, url: str) -> PageInfo:
        """Title, description and preview image of the page at an address."""
        return await self.http.call(
            "POST",
            f"{self.base_url}/internal/v1/pages",
            PageInfo,
            body=PageRequest(url=url),
            headers={SERVICE_TOKEN: self.service_token.reveal()},
        )
