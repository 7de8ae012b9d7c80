from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.social_graph import domain


@given(st.text(max_size=40))
def test_a_name_that_can_be_is_in_its_one_form(text: str) -> None:
    folded = domain.fold_username(text)
    if folded is not None:
        assert folded == text.lower()
        assert folded.isascii() and 3 <= len(folded) <= 32
        assert domain.fold_username(folded.upper()) == folded


@pytest.mark.parametrize("text", ["ab", "a" * 33, "a b", "a.b", "ada\n", "\u212aarl", "\u0430da", "", "a/b"])
def test_nobody_can_have_a_malformed_or_foreign_name(text: str) -> None:
    assert domain.fold_username(text) is None
