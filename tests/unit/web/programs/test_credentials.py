"""What programs show to say who they are."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from services.kit.settings import Secret
from services.web.programs.credentials import Password, Token, from_address, from_authorization


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


def test_the_forms_of_credentials() -> None:
    schemes = ("basic",)
    assert from_authorization(basic(b"ann:secret word"), schemes=schemes) == Password(
        "ann", Secret("secret word")
    )
    assert from_authorization(basic(b"ann:dlk_x"), schemes=schemes) == Token(Secret("dlk_x"), "ann")
    assert from_authorization(basic("ann:pä:ss".encode()), schemes=schemes) == Password(
        "ann", Secret("pä:ss")
    )
    assert from_authorization(basic(b"ann:p\xe4ss"), schemes=schemes) == Password("ann", Secret("päss"))
    for wrong in (None, "", "Basic", "Basic !", basic(b"ann"), basic(b":x"), basic(b"ann:"), "Bearer dlk_x"):
        assert from_authorization(wrong, schemes=schemes) is None
    assert from_authorization("token  dlk_x ", schemes=("token", "bearer")) == Token(Secret("dlk_x"))
    assert from_address("ann:dlk_x") == Token(Secret("dlk_x"), "ann")
    assert [from_address(text) for text in ("", "ann", ":x", "ann:")] == [None] * 4


@given(st.text())
def test_any_header_is_read(text: str) -> None:
    from_authorization(text, schemes=("basic", "token"))
    from_authorization(f"Basic {text}", schemes=("basic",))


def test_no_secret_is_shown_where_it_may_be_logged() -> None:
    shown = repr(from_address("ann:dlk_x")) + repr(
        from_authorization(basic(b"ann:hidden"), schemes=("basic",))
    )
    assert "dlk_x" not in shown
    assert "hidden" not in shown
