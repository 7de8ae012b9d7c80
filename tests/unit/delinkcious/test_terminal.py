import pytest

from delinkcious.terminal import shown


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("\x1b]0;mine\x07\x1b[2J", "\ufffd]0;mine\ufffd\ufffd[2J"),
        ("\x9b2J\x7f\b\r\n", "\ufffd2J\ufffd\ufffd\ufffd\ufffd"),
        ("\u202egnp.exe\u2069", "\ufffdgnp.exe\ufffd"),
        ("naïve 日本 👨‍👩‍👧 שלום می‌خواهم", "naïve 日本 👨‍👩‍👧 שלום می‌خواهم"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_shown_and_all_writing_is(written: str, expected: str) -> None:
    assert shown(written) == expected
