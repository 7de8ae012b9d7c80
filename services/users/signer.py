"""Access tokens and the JWKS, from the signing keys that this process read last."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joserfc import jwt
from joserfc.jwk import ECKey

from services.kit.errors import Unavailable
from services.kit.settings import Secret
from services.users.domain import Grant, scope_claim
from services.users.encryption import KeyEncryption
from services.users.key_store import KeyStore
from services.users.keys import ACCESS_TOKEN_LIFE, MAX_KEYS_AGE, SigningKey

# So often are the keys read anew; far below MAX_KEYS_AGE, so that a few failures do no harm.
RELOAD_EVERY = dt.timedelta(seconds=60)


@dataclass(frozen=True, repr=False)
class _Keys:
    kid: str
    private: ECKey
    jwks: bytes
    read_at: dt.datetime


@dataclass(frozen=True)
class AccessToken:
    """A signed token and the seconds that it is good for."""

    text: Secret
    expires_in: int


class Signer:
    """Signs ES256 access tokens (`iss`, `aud` as given) and publishes what verifies them."""

    def __init__(
        self,
        store: KeyStore,
        encryption: KeyEncryption,
        *,
        issuer: str,
        audience: str,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._store = store
        self._encryption = encryption
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: _Keys | None = None

    async def reload(self) -> None:
        """Read the keys; raises UndecryptableKey, and then goes on with those it has."""
        # The time before the query: the keys are at least as old as the question.
        asked_at = self._clock()
        stored = await self._store.read()
        active = next((key for key in stored if key.state == "active"), None)
        if active is not None:
            self._keys = self._opened(active, stored, asked_at)

    @property
    def jwks(self) -> bytes:
        """The published keys as JSON; raises Unavailable before the first ones are there.

        An empty set would be worse than none: a verifier would keep it for 20 minutes.
        """
        if self._keys is None:
            raise Unavailable("the signing keys are not read yet")
        return self._keys.jwks

    def sign(self, grant: Grant) -> AccessToken:
        """An access token; raises Unavailable when the keys are too old to be trusted to be published."""
        now = self._clock()
        keys = self._fresh()
        expires_at = now + ACCESS_TOKEN_LIFE
        if grant.not_after is not None:
            expires_at = min(expires_at, grant.not_after)
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(grant.user_id),
            "name": grant.username,
            "scope": scope_claim(grant.scopes),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": secrets.token_urlsafe(16),
        }
        if grant.session_id is not None:
            claims["sid"] = str(grant.session_id)
        header = {"alg": "ES256", "kid": keys.kid, "typ": "JWT"}
        text = jwt.encode(header, claims, keys.private, algorithms=["ES256"])
        return AccessToken(Secret(text), int(expires_at.timestamp()) - int(now.timestamp()))

    @property
    def is_ready(self) -> bool:
        """Whether there are keys, and fresh enough to sign with."""
        return self._keys is not None and self._clock() - self._keys.read_at <= MAX_KEYS_AGE

    def require(self) -> None:
        """Raises Unavailable while nothing can be signed; asked before anything is spent on a signature."""
        self._fresh()

    async def ping(self) -> None:
        """For readiness."""
        self.require()

    def _fresh(self) -> _Keys:
        if self._keys is None or not self.is_ready:
            raise Unavailable("the signing keys could not be read of late")
        return self._keys

    def _opened(self, active: SigningKey, stored: Sequence[SigningKey], read_at: dt.datetime) -> _Keys:
        der = self._encryption.decrypt(active.private_key, kid=active.kid)
        public = ",".join(key.public_jwk for key in stored)
        return _Keys(active.kid, ECKey.import_key(der), f'{{"keys":[{public}]}}'.encode(), read_at)
