"""The server: the methods of a table, health and reflection, on a port of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from services.kit.background import background
from services.kit.grpc.call import Call, Serving
from services.kit.grpc.method import Method, Unary
from services.kit.grpc.settings import GrpcSettings
from services.kit.resources import Resources
from services.kit.serving.admission import Admission
from services.kit.settings import InvalidSettings
from telemetry.metrics import RpcMetrics

MAX_MESSAGE_BYTES = 1024 * 1024
# Beyond what is admitted and waits, grpc itself refuses (RESOURCE_EXHAUSTED); probes need a place, too.
SPARE_CALLS = 32
MIN_PING_INTERVAL_MS = 10_000
_HEALTH, _REFLECTION = "grpc.health.v1.Health", reflection.SERVICE_NAME

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(
    methods: Sequence[Method], deps: Any, settings: GrpcSettings, resources: Resources
) -> AsyncIterator[int]:
    """Serve as long as the block lasts; gives the port.

    When the process is told to stop, health says so first and streams end; calls that run get the drain
    timeout. Enter it last: it uses what was opened before. Raises InvalidSettings without an issuer.
    """
    if not (settings.issuer and settings.audience and settings.jwks_url):
        raise InvalidSettings("ISSUER, AUDIENCE and JWKS_URL are needed to know who calls")
    metrics = RpcMetrics(resources.registry)
    admission = Admission(
        capacity=settings.max_concurrency,
        queue=settings.max_queue,
        timeout_s=settings.queue_timeout_s,
        shed=metrics.shed,
    )

    def obey(_: GrpcSettings, after: GrpcSettings) -> None:
        admission.resize(
            capacity=after.max_concurrency, queue=after.max_queue, timeout_s=after.queue_timeout_s
        )

    resources.live.follow(obey)
    shared = Serving(
        deps, resources.verifier, settings, resources.live, admission, metrics, resources.recorder
    )
    most = settings.max_concurrency + settings.max_queue + settings.max_streams + SPARE_CALLS
    server = grpc.aio.server(options=_options(), maximum_concurrent_rpcs=most)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = _add(server, methods, shared)
    reflection.enable_server_reflection([*names, _HEALTH, _REFLECTION], server)
    try:
        port = server.add_insecure_port(f"{settings.host}:{settings.grpc_port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {settings.host}:{settings.grpc_port}") from error
    await server.start()
    for name in ("", *names):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    _log.info("listening", port_name="grpc", host=settings.host, port=port)

    async def drain() -> None:
        await resources.draining.wait()
        await checks.enter_graceful_shutdown()
        shared.drain()

    try:
        async with background(drain()):
            yield port
    finally:
        await checks.enter_graceful_shutdown()
        shared.drain()
        await server.stop(settings.drain_timeout_s)


def _add(server: grpc.aio.Server, methods: Sequence[Method], shared: Serving) -> list[str]:
    """Serve the table; the services it names."""
    tables: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for method in methods:
        call, name = Call(method, shared), method.name
        kind: Any
        if isinstance(method, Unary):
            kind, function = grpc.unary_unary_rpc_method_handler, call.unary
        else:
            kind, function = grpc.unary_stream_rpc_method_handler, call.stream  # type: ignore[assignment]
        tables.setdefault(name.service, {})[name.method] = kind(
            function,
            request_deserializer=None,
            response_serializer=name.response.SerializeToString,
        )
    for service, handlers in tables.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    return list(tables)


def _options() -> list[tuple[str, Any]]:
    return [
        # Two processes on one port would share its calls by chance.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # Our clients look whether a silent stream is still there; by default that counts as an attack.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
    ]
