"""Where boxes, arrows and labels stand: a layered drawing (pure).

After Sugiyama: callers stand before the called; an arrow over several layers keeps a lane of its own in
each, and a label has a place like a box, so that nothing covers anything. Layers run from left to right, or
downwards (`vertical`), where a wide layer is broken into several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mesh.console.topology import crossings
from mesh.console.topology.ranks import ranked

LANE = 10.0  # what an arrow takes of a layer that it only crosses
GAP_ACROSS = 14.0
GAP_ALONG = 34.0
GAP_ALONG_VERTICAL = 26.0
MARGIN = 8.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """`ports`: where arrows for one of its rows arrive, measured from its top."""

    key: str
    width: float
    height: float
    ports: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """An arrow; `label` is the width and height of its label, if it has one."""

    key: str
    source: str
    target: str
    port: str = ""
    label: tuple[float, float] | None = None


@dataclass(frozen=True)
class Drawing:
    """Upper left corners of boxes and labels; each arrow as the stretches of a smooth line."""

    width: float
    height: float
    boxes: Mapping[str, Point]
    labels: Mapping[str, Point]
    paths: Mapping[str, str]


@dataclass
class Node:
    """Something with a place in a layer: a box, a label, or a lane. `along`, `across`: its extent."""

    key: str
    rank: int
    along: float
    across: float
    position: float = 0.0  # its middle, across


def layout(
    boxes: Sequence[Box], links: Sequence[Link], *, vertical: bool = False, widest: int = 0
) -> Drawing:
    """Place everything; equal input gives an equal drawing. `widest`: the most boxes of one layer."""
    known = {box.key for box in boxes}
    links = [link for link in links if {link.source, link.target} <= known and link.source != link.target]
    ranks = ranked([box.key for box in boxes], [(link.source, link.target) for link in links], widest)
    nodes = {box.key: _node(box, 2 * ranks[box.key], vertical) for box in boxes}
    chains: dict[str, list[Node]] = {}
    for link in links:
        chains[link.key] = _chain(link, nodes, vertical)
    lanes = [node for chain in chains.values() for node in chain[1:-1]]
    every = [*nodes.values(), *lanes]
    layers = crossings.ordered(every, list(chains.values()))
    crossings.settle(layers, list(chains.values()), GAP_ACROSS)
    return _drawn(boxes, links, layers, chains, nodes, vertical)


def _node(box: Box, rank: int, vertical: bool) -> Node:
    along, across = (box.height, box.width) if vertical else (box.width, box.height)
    return Node(box.key, rank, along, across)


def _chain(link: Link, nodes: Mapping[str, Node], vertical: bool) -> list[Node]:
    """The nodes that an arrow passes, in the order of their layers; its label stands before its target."""
    ends = sorted((nodes[link.source], nodes[link.target]), key=lambda node: node.rank)
    first, last = ends
    chain = [first]
    for rank in range(first.rank + 1, last.rank):
        label = (
            link.label if rank == nodes[link.target].rank - (1 if last.key == link.target else -1) else None
        )
        width, height = label or (LANE, LANE)
        along, across = (height, width) if vertical else (width, height)
        chain.append(Node(f"{link.key}@{rank}", rank, along if label else 0.0, across))
    return [*chain, last]


def _drawn(
    boxes: Sequence[Box],
    links: Sequence[Link],
    layers: Sequence[Sequence[Node]],
    chains: Mapping[str, Sequence[Node]],
    nodes: Mapping[str, Node],
    vertical: bool,
) -> Drawing:
    starts, length = _starts(layers, GAP_ALONG_VERTICAL if vertical else GAP_ALONG)
    top = min((node.position - node.across / 2 for layer in layers for node in layer), default=0.0)
    bottom = max((node.position + node.across / 2 for layer in layers for node in layer), default=0.0)

    def place(along: float, across: float) -> Point:
        across = across - top + MARGIN
        return (across, along) if vertical else (along, across)

    def corner(node: Node) -> Point:
        extent = max((other.along for other in layers[node.rank]), default=0.0)
        return place(starts[node.rank] + (extent - node.along) / 2, node.position - node.across / 2)

    placed = {box.key: corner(nodes[box.key]) for box in boxes}
    labels: dict[str, Point] = {}
    paths: dict[str, str] = {}
    sizes = {box.key: box for box in boxes}
    for link in links:
        stops = []
        for node in chains[link.key][1:-1]:
            if node.along:
                labels[link.key] = corner(node)
            begin = starts[node.rank]
            extent = max(other.along for other in layers[node.rank])
            stops.append((place(begin, node.position), place(begin + extent, node.position)))
        forward = nodes[link.source].rank < nodes[link.target].rank
        ends = _ends(sizes[link.source], sizes[link.target], placed, link.port, forward, vertical)
        paths[link.key] = _path(ends, stops if forward else [(b, a) for a, b in reversed(stops)], vertical)
    across = bottom - top + 2 * MARGIN
    width, height = (across, length) if vertical else (length, across)
    return Drawing(width, height, placed, labels, paths)


def _starts(layers: Sequence[Sequence[Node]], gap: float) -> tuple[list[float], float]:
    """Where each layer begins, along, and where the last one ends."""
    starts, at = [], MARGIN
    for layer in layers:
        starts.append(at)
        at += max((node.along for node in layer), default=0.0) + gap
    return starts, at - gap + MARGIN


def _ends(
    source: Box, target: Box, placed: Mapping[str, Point], port: str, forward: bool, vertical: bool
) -> tuple[Point, Point]:
    """Where an arrow leaves and arrives; one that goes back does so at the other sides."""
    (sx, sy), (tx, ty) = placed[source.key], placed[target.key]
    if vertical:
        begin = (sx + source.width / 2, sy + (source.height if forward else 0))
        return begin, (tx + target.width / 2, ty + (0 if forward else target.height))
    arrival = target.ports.get(port, target.height / 2)
    begin = (sx + (source.width if forward else 0), sy + source.height / 2)
    return begin, (tx + (0 if forward else target.width), ty + arrival)


def _path(ends: tuple[Point, Point], stops: Sequence[tuple[Point, Point]], vertical: bool) -> str:
    """SVG path data: straight through every stop, smooth in between."""
    at, pieces = ends[0], [f"M{ends[0][0]:.1f} {ends[0][1]:.1f}"]
    for begin, end in [*stops, (ends[1], ends[1])]:
        pieces.append(_curve(at, begin, vertical))
        if begin != end:
            pieces.append(f"L{end[0]:.1f} {end[1]:.1f}")
        at = end
    return " ".join(pieces)


def _curve(a: Point, b: Point, vertical: bool) -> str:
    if vertical:
        middle = (a[1] + b[1]) / 2
        return f"C{a[0]:.1f} {middle:.1f} {b[0]:.1f} {middle:.1f} {b[0]:.1f} {b[1]:.1f}"
    middle = (a[0] + b[0]) / 2
    return f"C{middle:.1f} {a[1]:.1f} {middle:.1f} {b[1]:.1f} {b[0]:.1f} {b[1]:.1f}"
