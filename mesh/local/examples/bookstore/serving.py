"""What the four programs share: an HTTP server that answers JSON, and calls that pass on who asks."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a program hands from the request that came to those that it makes: whose trace it is, and which user's.
PASSED_ON = ("x-request-id", "traceparent", "tracestate", "b3", "end-user")
Headers = Mapping[str, str]
Answer = Callable[[str, Headers], Any]


def serve(answer: Answer) -> None:
    """Answer GET by what `answer` gives for the path and the headers; None is not found."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name: value for name in PASSED_ON if (value := self.headers.get(name))}
            found = {} if self.path == "/health" else answer(self.path, headers)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            if self.path != "/health":
                super().log_message(format, *args)

    # The two variables are how a program learns where its sidecar expects it.
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "9080"))
    ThreadingHTTPServer((host, port), Handler).serve_forever()


def ask(url: str, headers: Headers) -> Any:
    """What another service answers; its status where it is no success. `HTTP_PROXY` names the sidecar."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"error": error.code}
    except OSError as error:
        return {"error": str(error)}
