"""Layers: every caller before those whom it calls, as far as calls do not go round in circles (pure)."""

from __future__ import annotations

from collections.abc import Sequence

Arrow = tuple[str, str]


def ranked(keys: Sequence[str], arrows: Sequence[Arrow], widest: int = 0) -> dict[str, int]:
    """The layer of each key, from 0 without gaps; layers wider than `widest` are broken (0: never)."""
    after: dict[str, list[str]] = {key: [] for key in keys}
    for source, target in sorted(set(arrows)):
        if source != target:
            after[source].append(target)
    ahead = _without_circles(after)
    ranks = dict.fromkeys(keys, 0)
    for key in _topological(ahead):
        for target in ahead[key]:
            ranks[target] = max(ranks[target], ranks[key] + 1)
    linked = {end for arrow in arrows if arrow[0] != arrow[1] for end in arrow}
    deepest = max((ranks[key] for key in linked), default=0)
    for key in keys:
        if key not in linked:
            ranks[key] = deepest  # who calls nobody and is called by nobody: out of the way
    return _broken(ranks, widest) if widest else ranks


def _without_circles(after: dict[str, list[str]]) -> dict[str, list[str]]:
    """The arrows but those that lead back to somebody on the way to them; callers of most come first."""
    called = {target for targets in after.values() for target in targets}
    order = sorted(after, key=lambda key: (key in called, -len(after[key]), key))
    ahead: dict[str, list[str]] = {key: [] for key in after}
    done: set[str] = set()

    def visit(key: str, way: frozenset[str]) -> None:
        done.add(key)
        for target in after[key]:
            if target in way:
                continue
            ahead[key].append(target)
            if target not in done:
                visit(target, way | {target})

    # A depth-first walk may meet an arrow back only over one that it has taken before.
    for key in order:
        if key not in done:
            visit(key, frozenset({key}))
    return ahead


def _topological(ahead: dict[str, list[str]]) -> list[str]:
    waiting = dict.fromkeys(ahead, 0)
    for targets in ahead.values():
        for target in targets:
            waiting[target] += 1
    free = [key for key, count in waiting.items() if not count]
    order = []
    while free:
        key = free.pop()
        order.append(key)
        for target in ahead[key]:
            waiting[target] -= 1
            if not waiting[target]:
                free.append(target)
    return order


def _broken(ranks: dict[str, int], widest: int) -> dict[str, int]:
    """Nobody of one layer calls another of it, so that it may as well be several."""
    made: dict[str, int] = {}
    at = 0
    for rank in range(max(ranks.values(), default=-1) + 1):
        members = [key for key in ranks if ranks[key] == rank]
        for number, key in enumerate(members):
            made[key] = at + number // widest
        at += -(-len(members) // widest)
    return made
