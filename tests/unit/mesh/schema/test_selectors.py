"""Label selectors of Kubernetes, as files and command lines write them; quantities."""

from __future__ import annotations

import pytest

from mesh.local.quantity import divided, quantity
from mesh.local.schema.selectors import fits, parse

LABELS = {"app": "shop", "tier": "front"}


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("app=shop", True),
        ("app==shop,tier=front", True),
        ("app=shop,tier=back", False),
        ("tier!=back", True),
        ("version!=v1", True),
        ("app in (shop, store)", True),
        ("app notin (shop, store)", False),
        ("app in (shop,store),tier", True),
        ("tier", True),
        ("!tier", False),
        ("!version", True),
    ],
)
def test_a_command_line_s_selector_picks_as_kubectl_s_does(text: str, fitting: bool) -> None:
    assert fits(parse(text), LABELS) is fitting


@pytest.mark.parametrize("text", ["", "app=a b", "a/b/c=1", "app in (", "=x"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no selector"):
        parse(text)


def test_labels_and_expressions_must_all_hold() -> None:
    expression = {"key": "tier", "operator": "In", "values": ["front"]}
    assert fits({"matchLabels": {"app": "shop"}, "matchExpressions": [expression]}, LABELS)
    assert not fits({"matchLabels": {"app": "x"}, "matchExpressions": [expression]}, LABELS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25),
        (2, 2.0),
        ("1.5", 1.5),
        ("64Mi", 64 * 2**20),
        ("1k", 1000.0),
        ("1e3", 1000.0),
        ("2E", 2e18),
    ],
)
def test_a_quantity_is_read(text: object, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "x", "1 Mi", "1mi", True, "--1"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def test_a_quantity_is_told_in_whole_units_rounded_up() -> None:
    assert (divided("250m", "1m"), divided("250m", 1), divided("64Mi", "1Mi")) == (250, 1, 64)
