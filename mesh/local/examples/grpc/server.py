"""Greets by gRPC, with the standard health service. Every third call fails, as a busy server's may.

`greeter.Greeter/Greet` takes and gives a `google.protobuf.StringValue`, so that no code has to be generated.
"""

import itertools
import os
import signal
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICE = "greeter.Greeter"
POD = os.environ.get("HOSTNAME", "greeter")
ADDRESS = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '50051')}"
calls = itertools.count(1)


def greet(request: StringValue, context: grpc.ServicerContext) -> StringValue:
    if next(calls) % 3 == 0:
        context.abort(grpc.StatusCode.UNAVAILABLE, "every third call fails")
    return StringValue(value=f"hello, {request.value}, from {POD}")


def main() -> None:
    method = grpc.unary_unary_rpc_method_handler(
        greet,
        request_deserializer=StringValue.FromString,
        response_serializer=StringValue.SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Greet": method}),))
    states = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    states.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(ADDRESS)
    server.start()

    def end(*_: Any) -> None:
        states.enter_graceful_shutdown()
        server.stop(grace=2)

    signal.signal(signal.SIGTERM, end)
    server.wait_for_termination()


main()
