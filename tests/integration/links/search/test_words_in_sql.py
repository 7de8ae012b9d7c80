"""The functions of 0002_search.sql: they fold as `words` does, and bear the worst text."""

from __future__ import annotations

import unicodedata

import asyncpg
import pytest

from services.links.search.words import words

pytestmark = pytest.mark.anyio

LONGEST_OWNER = 2**63 - 1
GREATEST_VECTOR_BYTES = 1_048_575


def is_told_apart(sign: str) -> bool:
    """Whether both sides must agree: not on the marks and digits of every script."""
    if unicodedata.category(sign)[0] not in "LPSZ" and not sign.isascii():
        return False
    decomposed = unicodedata.normalize("NFKD", sign)
    marks = [part for part in decomposed if unicodedata.category(part)[0] == "M"]
    is_circled = 0x1F130 <= ord(sign) <= 0x1F189  # symbols that PostgreSQL calls letters and Python does not
    return all("\u0300" <= mark <= "\u036f" for mark in marks) and not is_circled and sign not in "\0\x1f"


async def test_every_letter_and_sign_is_folded_alike(database_url: str) -> None:
    signs = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    texts = [f"Ab{sign}cd {sign} {sign}++" for sign in signs if is_told_apart(sign)]
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT replace(search_words(1, text), 'o1o', '')"
        " FROM unnest($1::text[]) WITH ORDINALITY AS u (text, n) ORDER BY n",
        texts,
    )
    await connection.close()
    differing = {
        text: (row[0], here)
        for text, row in zip(texts, rows, strict=True)
        if row[0] != (here := " ".join(word.text for word in words(text)))
    }
    assert len(texts) > 100_000
    assert differing == {}


@pytest.mark.parametrize(
    "note",
    [
        "".join(chr(0x4E00 + n % 20_000) for n in range(65_536)),
        "".join(chr(0x20000 + n % 40_000) for n in range(65_536)),
        " ".join(f"{n:x}" for n in range(12_000)),
        "a" * 65_536,
        "ﷺ" * 65_536,
        "\u0301" * 65_536,
        "a++ " * 16_000,
        " \x1f" * 32_000,
    ],
    ids=["han", "beyond the basic plane", "words", "one word", "ligatures", "marks", "signs", "gaps"],
)
async def test_the_worst_links_can_be_saved_and_found(database_url: str, note: str) -> None:
    tags = sorted({chr(0x20000 + n) * 254 for n in range(100)})
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO links (owner_id, url, host, title, note, tags) VALUES ($1, $2, $3, $4, $5, $6)",
        LONGEST_OWNER,
        "http://a/" + "界" * 2_700,
        ".".join("a" * 126),
        "題" * 1_000,
        note,
        tags,
    )
    size = await connection.fetchval("SELECT pg_column_size(search_vector(l.owner_id, l.title, l.tags, l.url,"
                                     " l.host, l.note)) FROM links AS l")  # fmt: skip
    found = await connection.fetchval(
        "SELECT count(*) FROM links WHERE search @@ (search_phrase($1, '題題', false, 'A')"
        " && search_key($1, '#', $2, false) && search_key($1, '@', 'a.a', false))",
        LONGEST_OWNER,
        tags[0],
    )
    await connection.close()
    assert found == 1
    assert size < GREATEST_VECTOR_BYTES


async def test_a_restored_dump_can_compute_the_column(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET search_path = ''")
    vector = await connection.fetchval(
        "SELECT public.search_vector(7, 'a b', '{c}', 'http://d/', 'd', 'e')::text"
    )
    await connection.close()
    assert vector == "'o7#c' 'o7@d' 'o7oa':1A 'o7ob':2A 'o7oc':4B 'o7od':6 'o7oe':8C"


async def test_search_needs_no_extension(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    extensions = await connection.fetch("SELECT extname FROM pg_extension")
    await connection.close()
    assert [row[0] for row in extensions] == ["plpgsql"]
