"""What the links service is told besides what every service is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.settings import Positive, ServiceSettings


class LinksSettings(ServiceSettings, frozen=True, kw_only=True):
    max_links_per_user: Annotated[
        Positive, Meta(description="How many links one account may hold; one more is answered 409.")
    ] = 200_000
    max_imports: Annotated[
        Positive,
        Meta(description="Bookmark files that this process reads at the same time; one more gets 503."),
    ] = 2
    max_exports: Annotated[
        Positive, Meta(description="Exports that this process writes at the same time; one more gets 503.")
    ] = 3
