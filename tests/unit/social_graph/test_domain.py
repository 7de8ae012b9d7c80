from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.social_graph import domain
from services.social_graph.domain import Limits


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


@given(changes=st.integers(0, 50), burst=st.integers(1, 20), every_s=st.sampled_from([0.5, 1.0, 60.0]))
def test_a_burst_is_free_and_what_follows_waits_its_turn(changes: int, burst: int, every_s: float) -> None:
    limits = Limits(following=1, blocks=1, change_burst=burst, change_every_s=every_s)
    owed_s = changes * every_s
    assert limits.wait_s(owed_s) == max(0, changes - burst + 1) * every_s
