import datetime as dt

import pytest

from services.links.search.language import parse
from services.links.search.sql import compiled
from services.links.search.tree import Saved
from services.links.search.values import times

NOW = dt.datetime(2024, 3, 15, 10, 30, tzinfo=dt.UTC)


def day(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


def test_what_a_user_wrote_is_only_among_the_arguments() -> None:
    secret = "x9'); drop--"
    query = f'"{secret}" title:"{secret}"* tag:"{secret}" url:"{secret}" -note:"{secret}"'
    statement = compiled(parse(query), 7, NOW, is_ranked=True)
    assert "x9" not in statement.condition + str(statement.rank)
    assert statement.arguments[0] == 7
    assert sum("x9" in str(argument) for argument in statement.arguments) == 7


def test_every_condition_names_the_owner_first() -> None:
    statement = compiled(parse("a or -b or *"), 7, NOW, is_ranked=True)
    assert statement.condition.startswith("owner_id = $1 AND (")
    assert statement.condition.endswith(" OR true)")


def test_only_wanted_text_ranks() -> None:
    assert compiled(parse("tag:web -a is:dead"), 7, NOW, is_ranked=True).rank is None
    statement = compiled(parse("a -b (c or d*)"), 7, NOW, is_ranked=True)
    assert statement.rank == "search_any_word($1, $6, false) || search_any_word($1, $7, true)"
    assert statement.arguments[5:] == ["a c", "d"]


@pytest.mark.parametrize(
    ("condition", "start", "end"),
    [
        (Saved("on", "2024"), day(2024, 1, 1), day(2025, 1, 1)),
        (Saved("on", "2023-12"), day(2023, 12, 1), day(2024, 1, 1)),
        (Saved("on", "2024-02-29"), day(2024, 2, 29), day(2024, 3, 1)),
        (Saved("before", "2024-02"), None, day(2024, 2, 1)),
        (Saved("after", "2024-02"), day(2024, 3, 1), None),
        (Saved("on", "9998"), day(9998, 1, 1), day(9999, 1, 1)),
        (Saved("before", "2w"), None, NOW - dt.timedelta(days=14)),
        (Saved("after", "9999w"), NOW - dt.timedelta(weeks=9999), None),
    ],
)
def test_times_are_whole_periods_in_utc(
    condition: Saved, start: dt.datetime | None, end: dt.datetime | None
) -> None:
    assert times(condition, NOW) == (start, end)


def test_without_ranking_nothing_is_an_argument_twice() -> None:
    statement = compiled(parse("a b"), 7, NOW, is_ranked=False)
    assert (statement.rank, statement.arguments) == (None, [7, "a", "b"])
