"""Sends lines to a TCP service through a sidecar, and prints what comes back.

python3 client.py SIDECAR SERVICE:PORT LINE...

A program that speaks any protocol over TCP asks its sidecar for a way with `CONNECT`, and from then on talks
to the service itself. In a pod, HTTP_PROXY names the sidecar.
"""

import socket
import sys


def main() -> None:
    sidecar, service, *lines = sys.argv[1:]
    host, _, port = sidecar.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        stream = connection.makefile("rwb")
        stream.write(f"CONNECT {service} HTTP/1.1\r\nHost: {service}\r\n\r\n".encode())
        stream.flush()
        status = stream.readline().decode().strip()
        while stream.readline().strip():
            pass  # the rest of the answer's head
        if " 200 " not in status:
            sys.exit(f"no way to {service}: {status}")
        for line in lines:
            stream.write(f"{line}\n".encode())
            stream.flush()
            answer = stream.readline()
            if not answer:
                sys.exit(f"{service} closed the connection")
            print(answer.decode().strip())


main()
