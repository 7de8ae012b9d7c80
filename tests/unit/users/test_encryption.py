from __future__ import annotations

import base64

import pytest

from services.kit.settings import InvalidSettings, Secret
from services.users.encryption import KeyEncryption, UndecryptableKey

OLD = base64.b64encode(b"o" * 32).decode()
NEW = base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")


def test_what_was_encrypted_opens_under_its_own_name_only() -> None:
    encryption = KeyEncryption(Secret(OLD))
    stored = encryption.encrypt(b"private", kid="one")
    assert b"private" not in stored
    assert encryption.decrypt(stored, kid="one") == b"private"
    with pytest.raises(UndecryptableKey):
        encryption.decrypt(stored, kid="two")
    with pytest.raises(UndecryptableKey):
        encryption.decrypt(stored[:-1] + bytes([stored[-1] ^ 1]), kid="one")


def test_the_key_is_changed_by_naming_both_for_a_while() -> None:
    before = KeyEncryption(Secret(OLD)).encrypt(b"private", kid="one")
    both = KeyEncryption(Secret(f"{NEW}, {OLD}"))
    assert both.decrypt(before, kid="one") == b"private"
    after = both.encrypt(b"private", kid="two")
    assert KeyEncryption(Secret(NEW)).decrypt(after, kid="two") == b"private"
    with pytest.raises(UndecryptableKey):
        KeyEncryption(Secret(NEW)).decrypt(before, kid="one")


def test_one_key_is_not_used_for_two_things() -> None:
    encryption = KeyEncryption(Secret(OLD))
    assert len({encryption.derive("throttle"), encryption.derive("tokens"), b"o" * 32}) == 3


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(b"x" * 31).decode(), f"{OLD},"])
def test_a_malformed_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        KeyEncryption(Secret(text))
    assert not text or text not in str(refusal.value)
