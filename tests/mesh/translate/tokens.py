"""A signing key of an issuer, its public half, and tokens."""

from __future__ import annotations

import json
import time

from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://issuer.example"


class Signer:
    def __init__(self, kid: str = "one") -> None:
        self._key = ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"})

    @property
    def jwks(self) -> str:
        return json.dumps({"keys": [self._key.as_dict(private=False)]})

    def bearer(self, **claims: object) -> dict[str, str]:
        """The Authorization header with a token valid for a minute, unless `claims` say otherwise."""
        body = {"iss": ISSUER, "sub": "7", "exp": int(time.time()) + 60, **claims}
        token = jwt.encode({"alg": "ES256", "kid": self._key.kid}, body, self._key, algorithms=["ES256"])
        return {"authorization": f"Bearer {token}"}
