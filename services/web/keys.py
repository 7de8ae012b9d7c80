"""What is made of COOKIE_KEY, one key for each purpose: signatures, form tokens, encryption, feeds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadSignature, Signer

from services.kit.settings import InvalidSettings, Secret

MIN_CHARACTERS = 32
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Undecryptable(Exception):
    """Nothing that was encrypted here: another key, another owner, or a forged row."""


class Keys:
    """Closes with the first of the given keys, opens what any of them closed.

    `setting` is one key or, while it is being changed, several with commas between, the new one first.
    Raises InvalidSettings.
    """

    def __init__(self, setting: Secret) -> None:
        keys = [part.strip().encode() for part in setting.reveal().split(",")]
        if any(len(key) < MIN_CHARACTERS for key in keys):
            raise InvalidSettings(f"COOKIE_KEY: each key has {MIN_CHARACTERS} characters or more")
        self._keys = keys
        # itsdangerous signs with the last one.
        self._signers = {
            name: Signer(keys[::-1], salt=name.encode(), key_derivation="hmac", digest_method=hashlib.sha256)
            for name in ("session", "visitor", "notice", "sign-in", "linking")
        }

    def sign(self, purpose: str, text: str) -> str:
        return self._signers[purpose].sign(text).decode()

    def unsign(self, purpose: str, signed: str) -> str | None:
        """The text, if it was signed here for this purpose."""
        try:
            return self._signers[purpose].unsign(signed.encode("utf-8", "replace")).decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def form_token(self, holder: str) -> str:
        """What a form shows to prove that it came from a page of the same visitor."""
        return _text(self._mac(self._keys[0], "form", holder))

    def is_form_token(self, holder: str, shown: str) -> bool:
        given = shown.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(_text(self._mac(key, "form", holder)).encode(), given) for key in self._keys
        )

    def repeat_key(self, refresh_token: Secret) -> str:
        """The Idempotency-Key of a refresh: the same whoever asks, and no thief of the token knows it."""
        return self._mac(self._keys[0], "refresh", refresh_token.reveal()).hex()

    def feed_secret(self, user_id: int, nonce: bytes) -> str:
        """The secret part of the address of somebody's private feeds."""
        return _text(self._mac(self._keys[-1], "feed", f"{user_id}:{nonce.hex()}"))

    def encrypt(self, plain: bytes, *, holder: bytes) -> bytes:
        """Closed with a key that takes `holder` to make: a copied database opens nothing."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(self._keys[0], holder).encrypt(nonce, plain, None)

    def decrypt(self, stored: bytes, *, holder: bytes) -> bytes:
        """What `encrypt` was given; raises Undecryptable."""
        for key in self._keys:
            try:
                return self._cipher(key, holder).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], None)
            except (InvalidTag, ValueError):
                continue
        raise Undecryptable

    def _mac(self, key: bytes, purpose: str, text: str) -> bytes:
        return hmac.digest(key, f"delinkcious web {purpose}: {text}".encode(), "sha256")

    def _cipher(self, key: bytes, holder: bytes) -> AESGCM:
        derived = HKDF(SHA256(), _KEY_BYTES, salt=holder, info=b"delinkcious web: sessions").derive(key)
        return AESGCM(derived)


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
