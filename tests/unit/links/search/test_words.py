import unicodedata

import pytest

from services.links.search.words import Word, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Küche ÆON Straße Łódź", ["kuche", "aeon", "strasse", "lodz"]),
        ("İstanbul ΟΔΟΣ οδος", ["istanbul", "οδοσ", "οδοσ"]),
        ("C++ c# .NET asp.net a#b", ["cplusplus", "csharp", "dotnet", "asp", "net", "a", "b"]),
        ("https://www.Example.org/foo_bar%20baz", ["example", "org", "foo", "bar", "baz"]),
        ("日本語 book", ["日", "本", "語", "book"]),
        ("don't 3.11 ﬁn", ["don", "t", "3", "11", "fin"]),
        (" - … 🎉", []),
    ],
)
def test_words_are_folded(text: str, folded: list[str]) -> None:
    assert [word.text for word in words(text)] == folded


def test_a_word_knows_its_place_in_the_text() -> None:
    text = "ﬁn Straße, " + unicodedata.normalize("NFD", "Küche!")
    assert words(text) == [Word("fin", 0, 2), Word("strasse", 3, 9), Word("kuche", 11, 17)]
    assert text[11:17] == unicodedata.normalize("NFD", "Küche")
