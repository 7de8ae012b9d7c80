"""What a service that speaks gRPC is told besides what every service is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.kit.settings import Port, Positive, Seconds, ServiceSettings

# For the settings of who calls: `grpc_proxy: GrpcProxy = ""`.
GrpcProxy = Annotated[
    str,
    Meta(
        description="The sidecar's outbound side (http://host:port), when gRPC calls go through it; empty:"
        " they go to the service itself."
    ),
]


class GrpcSettings(ServiceSettings, frozen=True, kw_only=True):
    grpc_port: Annotated[Port, Meta(description="Port of gRPC; 0 lets the system choose.")] = 50051
    max_streams: Annotated[
        Positive, Meta(description="Streams that this process serves at once; one more is refused.")
    ] = 500
    max_streams_per_user: Annotated[
        Positive, Meta(description="Streams of one user that this process serves at once.")
    ] = 10
    stream_lifetime_s: Annotated[
        Seconds,
        Meta(gt=0, description="A stream ends after so long, so that none outlives its token for long."),
    ] = 600.0
    stream_write_timeout_s: Annotated[
        Seconds, Meta(gt=0, description="A reader that takes nothing for so long is dropped.")
    ] = 10.0
