"""Valid access tokens for tests: a signing key of this run and the JWKS that goes with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://users.delinkcious.example"
AUDIENCE = "delinkcious"
LIFETIME_S = 600


@dataclass(frozen=True)
class TokenMint:
    """Signs access tokens; `jwks` is the document that verifies them."""

    kid: str = "test-key"
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))

    def token(
        self, user_id: int = 1, *, name: str = "ann", scopes: Iterable[str] = ("read", "write"), **claims: Any
    ) -> str:
        """A token of `user_id`; `claims` replace or add to the usual ones."""
        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "name": name,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": f"{self.kid}-{user_id}-{now}",
        }
        return jwt.encode({"alg": "ES256", "kid": self.kid}, usual | claims, self.key)

    def headers(self, user_id: int = 1, **arguments: Any) -> dict[str, str]:
        """The Authorization header with such a token."""
        return {"authorization": f"Bearer {self.token(user_id, **arguments)}"}

    @property
    def jwks(self) -> bytes:
        public = {**self.key.as_dict(private=False), "kid": self.kid, "alg": "ES256", "use": "sig"}
        return msgspec.json.encode({"keys": [public]})

    async def fetch(self) -> bytes:
        """What a `services.kit.auth.Verifier` calls to get the keys."""
        return self.jwks


@contextmanager
def served(document: bytes) -> Iterator[str]:
    """The URL at which a JWKS document is served, on loopback, by a thread."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/jwk-set+json")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        finally:
            server.shutdown()
            thread.join()
