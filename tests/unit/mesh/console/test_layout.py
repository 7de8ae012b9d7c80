"""The drawing of any graph: nothing covers anything, callers come first, equal input is drawn alike."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.console.topology.layout import Box, Drawing, Link, layout
from mesh.console.topology.ranks import ranked

SIZE, LABEL = (100.0, 40.0), (60.0, 20.0)

arrows = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.booleans()), max_size=20)


def drawn(made: list[tuple[int, int, bool]], vertical: bool = False, widest: int = 0) -> Drawing:
    boxes = [Box(f"s{number}", *SIZE) for number in range(9)]
    links = {
        (a, b): Link(f"{a}>{b}", f"s{a}", f"s{b}", label=LABEL if labelled else None)
        for a, b, labelled in made
    }
    return layout(boxes, list(links.values()), vertical=vertical, widest=widest)


def areas(drawing: Drawing) -> list[tuple[str, float, float, float, float]]:
    boxes = [(key, x, y, x + SIZE[0], y + SIZE[1]) for key, (x, y) in drawing.boxes.items()]
    return boxes + [(key, x, y, x + LABEL[0], y + LABEL[1]) for key, (x, y) in drawing.labels.items()]


@settings(max_examples=60, deadline=None)
@given(arrows, st.booleans())
def test_no_box_or_label_covers_another_and_all_are_on_the_sheet(
    made: list[tuple[int, int, bool]], vertical: bool
) -> None:
    drawing = drawn(made, vertical, widest=3 if vertical else 0)
    placed = areas(drawing)
    for (_, ax, ay, bx, by), (_, cx, cy, dx, dy) in itertools.combinations(placed, 2):
        assert bx <= cx + 1e-6 or dx <= ax + 1e-6 or by <= cy + 1e-6 or dy <= ay + 1e-6
    for _, ax, ay, bx, by in placed:
        assert min(ax, ay) >= 0
        assert bx <= drawing.width + 1e-6
        assert by <= drawing.height + 1e-6


@settings(max_examples=40, deadline=None)
@given(arrows)
def test_every_arrow_between_two_boxes_is_drawn_and_has_its_label(made: list[tuple[int, int, bool]]) -> None:
    drawing = drawn(made)
    last = {(a, b): labelled for a, b, labelled in made if a != b}
    assert set(drawing.paths) == {f"{a}>{b}" for a, b in last}
    assert set(drawing.labels) == {f"{a}>{b}" for (a, b), labelled in last.items() if labelled}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_callers_stand_before_the_called(made: list[tuple[int, int]]) -> None:
    ahead = [(str(min(pair)), str(max(pair))) for pair in made if pair[0] != pair[1]]  # no circles
    ranks = ranked([str(number) for number in range(9)], ahead)
    assert all(ranks[a] < ranks[b] for a, b in ahead)


def test_calls_in_a_circle_have_a_way_back() -> None:
    ranks = ranked(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")])
    assert sorted(ranks.values()) == [0, 1, 2]


def test_a_wide_layer_is_broken_on_a_phone() -> None:
    fan = [(0, number, False) for number in range(1, 9)]
    flat, broken = drawn(fan, vertical=True), drawn(fan, vertical=True, widest=3)
    assert broken.width < flat.width
    rows = [y for y, _ in itertools.groupby(sorted(y for _, y in broken.boxes.values()))]
    assert len(rows) == 4  # the caller, and eight called in rows of three


def test_the_same_graph_is_drawn_the_same() -> None:
    made = [(0, 1, True), (0, 2, False), (1, 3, True), (2, 3, True), (0, 3, True)]
    assert drawn(made) == drawn(made)


@pytest.mark.parametrize("vertical", [False, True])
def test_an_arrow_that_skips_a_layer_passes_beside_the_box_in_it(vertical: bool) -> None:
    drawing = drawn([(0, 1, False), (1, 2, False), (0, 2, False)], vertical)
    x, y = drawing.boxes["s1"]
    numbers = [float(word.strip("MCL")) for word in drawing.paths["0>2"].split()]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    assert not any(x < px < x + SIZE[0] and y < py < y + SIZE[1] for px, py in points)
