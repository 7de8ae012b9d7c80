"""Access tokens as an attacker would make them, and as only the service itself could."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from joserfc import jwt
from joserfc.jwk import ECKey

from services.kit.settings import Secret
from services.users.encryption import KeyEncryption
from tests.access_tokens import AUDIENCE, ISSUER
from tests.e2e.installation import Account, Json, settings_of


@dataclass(frozen=True)
class Forger:
    """Knows the running `users` service's own signing key, and so can sign what the service never would."""

    kid: str
    key: ECKey

    def claims(self, account: Account, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        right = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(account.id),
            "name": account.name,
            "scope": "read write",
            "iat": now,
            "exp": now + 600,
            "jti": f"forged-{now}",
        }
        return right | changed

    def signed(self, account: Account, **changed: Any) -> str:
        """By the right key."""
        return jwt.encode({"alg": "ES256", "kid": self.kid}, self.claims(account, **changed), self.key)

    def expired(self, account: Account) -> str:
        """By the right key, an hour ago: beyond any tolerance for clocks that differ."""
        then = int(time.time()) - 3600
        return self.signed(account, iat=then - 600, exp=then)

    def by_another_key(self, account: Account) -> str:
        other = ECKey.generate_key("P-256")
        return jwt.encode({"alg": "ES256", "kid": self.kid}, self.claims(account), other)

    def unsigned(self, account: Account) -> str:
        return ".".join([_part({"alg": "none", "kid": self.kid}), _part(self.claims(account)), ""])

    def by_the_public_key(self, account: Account) -> str:
        """HS256 with the public key as the secret: the classic confusion of algorithms."""
        public = load_der_private_key(self.key.as_der(private=True), None).public_key()
        assert isinstance(public, EllipticCurvePublicKey)
        text = f"{_part({'alg': 'HS256', 'kid': self.kid})}.{_part(self.claims(account))}"
        mac = HMAC(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), SHA256())
        mac.update(text.encode())
        return f"{text}.{_base64url(mac.finalize())}"


def forger(users: Json) -> Forger:
    """Takes the signing key out of the database of `users`, as only the owner of the machine can."""
    settings = settings_of(users)
    url = Path(settings["DATABASE_URL_FILE"]).read_text().strip()
    encryption = KeyEncryption(Secret(Path(settings["KEY_ENCRYPTION_KEY_FILE"]).read_text().strip()))
    kid, stored = asyncio.run(_active_key(url))
    key = ECKey.import_key(encryption.decrypt(stored, kid=kid))
    return Forger(kid, key)


async def _active_key(url: str) -> tuple[str, bytes]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow("SELECT kid, private_key FROM signing_keys WHERE state = 'active'")
        assert row is not None
        return row["kid"], row["private_key"]
    finally:
        await connection.close()


def answered_by_service(response: httpx.Response) -> bool:
    """Whether the service itself refused: a sidecar's refusal is plain text."""
    return response.headers["content-type"].startswith("application/problem+json")


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
