from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.kit.settings import Secret
from services.users.opaque import NewApiSecret, RefreshToken, api_token_hash, sha256

PEPPER = bytes(32)


def test_a_token_reads_back_from_its_text() -> None:
    token = RefreshToken.generate()
    assert RefreshToken.parse(token.text) == token
    made = NewApiSecret.generate(PEPPER, None)
    assert api_token_hash(made.text) == made.hash


@given(st.text(max_size=80) | st.text("AB-_", max_size=70).map("dlr_".__add__))
def test_a_text_is_no_token_or_the_only_text_of_one(text: str) -> None:
    token = RefreshToken.parse(Secret(text))
    assert token is None or token.text.reveal() == text


def test_each_next_token_is_new_unless_the_same_key_asks_again() -> None:
    token = RefreshToken.generate()
    assert token.next(PEPPER, None) != token.next(PEPPER, None)
    key = sha256(b"key")
    following = token.next(PEPPER, key)
    assert following == token.next(PEPPER, key)
    assert following.selector == token.selector
    assert len({following.secret, token.next(PEPPER, sha256(b"other")).secret, token.secret}) == 3
    assert token.next(b"x" * 32, key) != following


def test_an_api_token_is_made_again_by_its_salt_only() -> None:
    key = sha256(b"key")
    one, two = NewApiSecret.generate(PEPPER, key), NewApiSecret.generate(PEPPER, key)
    assert one.secret != two.secret
    assert one.salt is not None
    assert NewApiSecret.again(PEPPER, key, one.salt) == one


def test_no_secret_prints() -> None:
    token = RefreshToken.generate()
    made = NewApiSecret.generate(PEPPER, None)
    for printed in (repr(token), repr(made), repr(token.text), f"{made.text}"):
        assert token.text.reveal() not in printed and made.text.reveal() not in printed
        assert str(token.secret) not in printed and str(made.secret) not in printed
