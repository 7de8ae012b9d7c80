"""What the news service is told besides what every service that speaks gRPC is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.grpc.settings import GrpcSettings
from services.kit.settings import Positive, Secret


class NewsSettings(GrpcSettings, frozen=True, kw_only=True):
    redis_url: Annotated[Secret, Meta(description="redis://:password@host:6379/0 of the timelines.")] = (
        Secret("")
    )
    links_url: Annotated[str, Meta(description="Where the links service is.")] = "http://links"
    social_graph_url: Annotated[str, Meta(description="Where the social-graph service is.")] = (
        "http://social-graph"
    )
    timeline_cap: Annotated[
        Positive, Meta(description="The newest so many links are a reader's news; a quarter more is kept.")
    ] = 200
    hot_followers: Annotated[
        Positive,
        Meta(
            description="Links of an author with more followers are not written to each of them but read with"
            " their news."
        ),
    ] = 1_000
