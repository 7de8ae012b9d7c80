"""What the web service is told besides what every service is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.grpc.settings import GrpcProxy
from services.kit.settings import LIVE, Positive, Secret, ServiceSettings


class WebSettings(ServiceSettings, frozen=True, kw_only=True):
    users_url: Annotated[str, Meta(description="Where the users service is.")] = "http://users"
    links_url: Annotated[str, Meta(description="Where the links service is.")] = "http://links"
    social_graph_url: Annotated[str, Meta(description="Where the social graph is.")] = "http://social-graph"
    link_checker_url: Annotated[str, Meta(description="Where pages are fetched for their title.")] = (
        "http://link-checker"
    )
    news_address: Annotated[
        str, Meta(description="host:port of the news service (gRPC); the call's authority too.")
    ] = "news.delinkcious.svc.cluster.local:50051"
    grpc_proxy: GrpcProxy = ""
    public_url: Annotated[
        str,
        Meta(description="https:// address that people use; empty: the one that each request came to."),
    ] = ""
    cookie_key: Annotated[
        Secret,
        Meta(
            description="Signs cookies and encrypts sessions: 32 characters or more. To change it, give the"
            " new one and the old one with a comma between until the old sessions are gone."
        ),
    ] = Secret("")
    max_streams: Annotated[
        Positive,
        Meta(description="Readers of live news at the same time; one more is answered 503.", extra=LIVE),
    ] = 1_000

    def described(self) -> dict[str, str]:
        """Whose interface is the public one, and where each describes it."""
        return {"users": self.users_url, "links": self.links_url, "social-graph": self.social_graph_url}
