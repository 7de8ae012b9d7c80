"""The key-encryption key of the service, and the keys that are derived from it for one purpose each."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.settings import InvalidSettings, Secret

KEY_BYTES = 32
NONCE_BYTES = 12


class UndecryptableKey(Exception):
    """A stored private key that none of the key-encryption keys opens: wrong setting, or a forged row."""


class KeyEncryption:
    """AES-256-GCM with the first of the given keys; opens what any of them closed.

    `setting` is one key or, while it is being changed, several with commas between: 32 bytes each in
    Base64 (`openssl rand -base64 32`), the new one first. Raises InvalidSettings.
    """

    def __init__(self, setting: Secret) -> None:
        self._keys = [_key(part.strip()) for part in setting.reveal().split(",")]

    def encrypt(self, plain: bytes, *, kid: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(self._keys[0]).encrypt(nonce, plain, kid.encode())

    def decrypt(self, stored: bytes, *, kid: str) -> bytes:
        """What `encrypt` was given; raises UndecryptableKey, also when `kid` is another one's."""
        for key in self._keys:
            try:
                return self._cipher(key).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], kid.encode())
            except InvalidTag:
                continue
        raise UndecryptableKey(f"signing key {kid} does not open with KEY_ENCRYPTION_KEY")

    def derive(self, purpose: Literal["throttle", "tokens", "sign-ins elsewhere"]) -> bytes:
        """32 bytes for one purpose; they change when the first key changes."""
        return _derived(self._keys[0], purpose)

    def _cipher(self, key: bytes) -> AESGCM:
        return AESGCM(_derived(key, "signing keys"))


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"delinkcious users: {purpose}".encode()).derive(key)


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidSettings("KEY_ENCRYPTION_KEY: each key is 32 bytes in Base64 (openssl rand -base64 32)")
    return key
