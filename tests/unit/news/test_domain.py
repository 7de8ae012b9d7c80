"""Positions sort as news do; merging and watching are exact."""

from __future__ import annotations

import datetime as dt

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.news import domain
from services.news.domain import Entry, Item, LinkState, Unseen

times = st.datetimes(timezones=st.just(dt.UTC))
ids = st.integers(1, 2**63 - 1)
ITEM = Item("https://example.com", "", "", [], domain._EPOCH, domain._EPOCH)


def link(**changes: object) -> LinkState:
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    usual = LinkState(7, 1, "https://example.com", "Title", "note", ["tag"], False, now, now, 3)
    return msgspec.structs.replace(usual, **changes)


@given(st.lists(st.tuples(times, ids, ids)))
def test_positions_sort_by_time_then_id(places: list[tuple[dt.datetime, int, int]]) -> None:
    assert [domain.place(*each) for each in sorted(places)] == sorted(domain.place(*each) for each in places)


@given(times, ids, ids)
def test_a_position_knows_its_link_and_owner(time: dt.datetime, link_id: int, owner_id: int) -> None:
    at = domain.place(time, link_id, owner_id)

    assert domain.is_position(at)
    assert (domain.link_of(at), domain.owner_of(at)) == (link_id, owner_id)


def test_a_date_in_the_future_counts_from_when_it_was_given() -> None:
    future = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)

    assert domain.position(link(created_at=future)) == domain.position(link())


positions = st.integers(0, 30).map(lambda n: domain.place(domain._EPOCH, n + 1))


@given(st.lists(st.lists(positions)), st.integers(0, 20))
def test_merging_is_sorting_everything(lists: list[list[bytes]], most: int) -> None:
    expected = sorted({at for each in lists for at in each}, reverse=True)[:most]

    assert domain.merged([sorted(each, reverse=True) for each in lists], most) == expected
    assert domain.newest(lists, most) == expected


def test_a_record_is_shown_only_at_its_position() -> None:
    at, elsewhere = domain.position(link()), domain.place(domain._EPOCH, 7, 1)
    record = at + domain.sortable(3) + domain.body(link())

    found = domain.entry(at, record)
    assert found is not None
    assert found.item.title == "Title"
    assert domain.entry(elsewhere, record) is None
    assert domain.entry(at, None) is None


def test_what_is_kept_of_a_link_is_bounded() -> None:
    large = link(note="n" * 1_000, tags=[str(n) for n in range(100)])
    item = msgspec.msgpack.decode(domain.body(large), type=Item)

    assert len(item.note) == domain.MAX_NOTE_CHARACTERS
    assert len(item.tags) == domain.MAX_TAGS


@given(st.lists(st.lists(st.integers(1, 40), max_size=8, unique=True)), st.integers(0, 40))
def test_a_watcher_is_shown_everything_above_the_horizon_once(looks: list[list[int]], began: int) -> None:
    def at(number: int) -> bytes:
        return domain.place(domain._EPOCH + dt.timedelta(minutes=number))

    unseen, shown, horizon = Unseen(at(began), []), [], began
    for number, look in enumerate(looks):
        fresh = unseen.of([Entry(at(each), ITEM) for each in look], at(horizon))
        assert fresh == sorted(fresh, key=lambda each: each.position)
        shown += [each.position for each in fresh]
        horizon = max(horizon, number)

    assert len(shown) == len(set(shown))
    assert not [position for position in shown if position <= at(began)]


def test_going_back_in_time_ends_at_the_beginning() -> None:
    assert domain.earlier(domain.place(domain._EPOCH), dt.timedelta(0)) == domain.place(domain._EPOCH)
    assert domain.earlier(b"\0" * 24, dt.timedelta(days=1)) == b"\0" * 24
