import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import page
from services.kit.errors import BadRequest


class Key(msgspec.Struct, frozen=True):
    title: str
    id: int


@given(st.text(), st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_gives_back_the_key_it_was_made_of(title: str, number: int) -> None:
    key = Key(title, number)
    cursor = page.encode(key)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#% ")
    if len(cursor) <= page.MAX_CURSOR_CHARACTERS:
        assert page.decode(Key, cursor) == key


@given(st.text(max_size=50))
def test_any_other_text_is_a_bad_request_that_names_the_parameter(text: str) -> None:
    try:
        page.decode(Key, text, parameter="from")
    except BadRequest as error:
        assert error.members == {"parameter": "from"}


def test_a_cursor_of_another_list_is_refused() -> None:
    class Other(msgspec.Struct):
        created_at: float

    with pytest.raises(BadRequest):
        page.decode(Key, page.encode(Other(1.5)))
