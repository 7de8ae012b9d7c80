"""The order inside layers with few crossings, and places across that keep lines straight (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

SWEEPS = 12


class Placed(Protocol):
    """What has a place: `across` is its extent, `position` its middle."""

    key: str
    rank: int
    across: float
    position: float


N = TypeVar("N", bound=Placed)


def ordered(nodes: Sequence[N], chains: Sequence[Sequence[N]]) -> list[list[N]]:
    """Layers, each in the best order that sweeps of barycentres find."""
    layers: list[list[N]] = [[] for _ in range(max((node.rank for node in nodes), default=-1) + 1)]
    for node in nodes:
        layers[node.rank].append(node)
    before, behind = neighbours(chains)
    best, fewest = [list(layer) for layer in layers], crossings(layers, chains)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        near = before if downwards else behind
        for rank in range(len(layers)) if downwards else reversed(range(len(layers))):
            places = {n.key: at for layer in layers for at, n in enumerate(layer)}
            own = {node.key: at for at, node in enumerate(layers[rank])}
            layers[rank].sort(key=lambda n: _mean([places[o.key] for o in near.get(n.key, ())], own[n.key]))
        if (count := crossings(layers, chains)) < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def neighbours(chains: Sequence[Sequence[N]]) -> tuple[Mapping[str, list[N]], Mapping[str, list[N]]]:
    before: dict[str, list[N]] = {}
    behind: dict[str, list[N]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            before.setdefault(b.key, []).append(a)
            behind.setdefault(a.key, []).append(b)
    return before, behind


def crossings(layers: Sequence[Sequence[N]], chains: Sequence[Sequence[N]]) -> int:
    """How many pairs of lines cross between neighbouring layers."""
    places = {node.key: at for layer in layers for at, node in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            between.setdefault(a.rank, []).append((places[a.key], places[b.key]))
    return sum(
        (a - c) * (b - d) < 0
        for lines in between.values()
        for number, (a, b) in enumerate(lines)
        for c, d in lines[number + 1 :]
    )


def settle(layers: Sequence[Sequence[N]], chains: Sequence[Sequence[N]], gap: float) -> None:
    """Give every node a position: near those it is joined with, no closer to the next than `gap`."""
    before, behind = neighbours(chains)
    for layer in layers:
        spread(layer, [0.0] * len(layer), gap)
    for sweep in range(2 * SWEEPS):
        near = before if sweep % 2 == 0 else behind
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [_mean([o.position for o in near.get(n.key, ())], n.position) for n in layer]
            spread(layer, wanted, gap)


def spread(layer: Sequence[N], wanted: Sequence[float], gap: float) -> None:
    """The places nearest to the wanted ones (least squares) that keep order and distance.

    What each is moved by must not fall from one to the next: isotonic regression, by pooling.
    """
    offsets, at = [], 0.0
    for number, node in enumerate(layer):
        at += (layer[number - 1].across / 2 + gap + node.across / 2) if number else 0.0
        offsets.append(at)
    pools: list[list[float]] = []  # [sum, count]
    for target, offset in zip(wanted, offsets, strict=True):
        pools.append([target - offset, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    shifts = [total / count for total, count in pools for _ in range(int(count))]
    for node, offset, shift in zip(layer, offsets, shifts, strict=True):
        node.position = offset + shift


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
