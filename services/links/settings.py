"""What the links service is told besides what every service is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.settings import LIVE, Positive, ServiceSettings


class LinksSettings(ServiceSettings, frozen=True, kw_only=True):
    max_links_per_user: Annotated[
        Positive,
        Meta(description="How many links one account may hold; one more is answered 409.", extra=LIVE),
    ] = 200_000
    max_imports: Annotated[
        Positive,
        Meta(description="Bookmark files that this process reads and writes at the same time; others wait."),
    ] = 2
    max_uploads: Annotated[
        Positive,
        Meta(
            description="Bookmark files that this process holds, from the first byte received until the"
            " import ends; one more gets 503. Each takes up to 2 MiB of temporary disk, large ones share"
            " another 512 MiB."
        ),
    ] = 16
    link_checker_url: Annotated[str, Meta(description="Where the link checker is told of older links.")] = (
        "http://link-checker"
    )
    max_exports: Annotated[
        Positive,
        Meta(
            description="Exports that this process writes at the same time, one of each account; one more"
            " gets 429."
        ),
    ] = 3
