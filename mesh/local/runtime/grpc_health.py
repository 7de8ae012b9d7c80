"""Asks a gRPC server how it is, by the standard health checking protocol."""

from __future__ import annotations

from mesh.local.runtime import settings


async def serving(host: str, port: int, service: str) -> str | None:
    """None when the service serves, else why not; "" is the server as a whole."""
    settings.without_grpc_forks()  # else it complains of each process that is started
    # Only who has such a probe pays for loading it.
    import grpc
    from grpc_health.v1 import health_pb2

    what = f"the service {service}" if service else "the server"
    async with grpc.aio.insecure_channel(
        f"{host}:{port}", options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=service))
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return "the server does not implement grpc.health.v1.Health"
            return f"{what}: {error.code().name}: {error.details()}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    return f"{what} is {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"
