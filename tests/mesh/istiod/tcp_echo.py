"""Answers each piece of plain TCP with itself."""

from __future__ import annotations

import os
import socketserver


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while piece := self.request.recv(4096):
            self.request.sendall(b"echo " + piece)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Server((os.environ["HOST"], int(os.environ["PORT"])), Echo).serve_forever()
