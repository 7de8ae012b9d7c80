"""Greets again and again, ten calls a round, and prints how many were answered.

gRPC reaches other services through the sidecar's outbound side: it speaks HTTP/2 there, and says which
service it means by the authority. So routes, retries and policies for HTTP hold for it.
"""

import os
import time
from urllib.parse import urlsplit

import grpc
from google.protobuf.wrappers_pb2 import StringValue

SIDECAR = urlsplit(os.environ["HTTP_PROXY"]).netloc
SERVER = "greeter:50051"
ROUND = 10


def main() -> None:
    options = [("grpc.default_authority", SERVER), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(SIDECAR, options=options) as channel:
        greet = channel.unary_unary(
            "/greeter.Greeter/Greet",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )
        while True:
            failures = []
            for _ in range(ROUND):
                try:
                    answer = greet(StringValue(value="world"), timeout=5, wait_for_ready=True)
                except grpc.RpcError as error:
                    failures.append(error.code().name)
            why = f": {', '.join(failures)}" if failures else f", the last one: {answer.value}"
            print(f"{ROUND - len(failures)} of {ROUND} answered{why}")
            time.sleep(0.2)


main()
