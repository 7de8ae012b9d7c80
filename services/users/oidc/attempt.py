"""The secrets of a sign-in under way, all made from one that only the browser holds."""

from __future__ import annotations

import base64
import hmac
import os
from dataclasses import dataclass
from typing import Self

from services.kit.settings import Secret
from services.users.opaque import SECRET_BYTES, pack, sha256, unpack

ATTEMPT_PREFIX = "dlo_"
TICKET_PREFIX = "dli_"


@dataclass(frozen=True, repr=False)
class Attempt:
    """A sign-in under way; nobody knows `state`, `nonce` and `code_verifier` without the service's pepper."""

    secret: bytes
    pepper: bytes

    @classmethod
    def generate(cls, pepper: bytes) -> Self:
        return cls(os.urandom(SECRET_BYTES), pepper)

    @classmethod
    def parse(cls, text: Secret, pepper: bytes) -> Self | None:
        """The attempt in a text; None when it cannot be one."""
        secret = unpack(text.reveal(), ATTEMPT_PREFIX)
        return cls(secret, pepper) if secret is not None and len(secret) == SECRET_BYTES else None

    @property
    def text(self) -> Secret:
        return Secret(pack(self.secret, ATTEMPT_PREFIX))

    @property
    def hash(self) -> bytes:
        return sha256(self.secret)

    @property
    def state(self) -> str:
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def code_verifier(self) -> str:
        return self._derived(b"code verifier")

    def began(self, state: str) -> bool:
        """Whether this attempt was sent out with `state`."""
        return hmac.compare_digest(self.state.encode(), state.encode())

    def _derived(self, purpose: bytes) -> str:
        value = hmac.digest(self.pepper, purpose + b"\0" + self.secret, "sha256")
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass(frozen=True, repr=False)
class TicketSecret:
    """What shows that one has proven an identity a moment ago."""

    secret: bytes

    @classmethod
    def generate(cls) -> Self:
        return cls(os.urandom(SECRET_BYTES))

    @classmethod
    def parse(cls, text: Secret) -> Self | None:
        secret = unpack(text.reveal(), TICKET_PREFIX)
        return cls(secret) if secret is not None and len(secret) == SECRET_BYTES else None

    @property
    def text(self) -> Secret:
        return Secret(pack(self.secret, TICKET_PREFIX))

    @property
    def hash(self) -> bytes:
        return sha256(self.secret)
