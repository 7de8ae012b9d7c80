"""What the social graph is told besides what every service is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.settings import LIVE, Positive, ServiceSettings
from services.social_graph.domain import Limits


class SocialGraphSettings(ServiceSettings, frozen=True, kw_only=True):
    users_url: Annotated[
        str,
        Meta(
            description="Where the users service is, to ask it for who has only just signed up; empty: such "
            "people are unknown until their event has come."
        ),
    ] = ""
    max_following: Annotated[
        Positive,
        Meta(description="How many people one may follow; one more is answered 409.", extra=LIVE),
    ] = 5_000
    max_blocks: Annotated[
        Positive,
        Meta(description="How many people one may block; one more is answered 409.", extra=LIVE),
    ] = 10_000
    change_burst: Annotated[
        Positive,
        Meta(description="Follows, blocks and their ends that one person may make in a row.", extra=LIVE),
    ] = 2_000
    change_every_s: Annotated[
        float,
        Meta(
            gt=0,
            le=1_000_000,
            description="After the burst, one change is free again each so many seconds.",
            extra=LIVE,
        ),
    ] = 1.0

    def limits(self) -> Limits:
        """What one person may do."""
        return Limits(self.max_following, self.max_blocks, self.change_burst, self.change_every_s)
