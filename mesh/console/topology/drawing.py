"""The graph as something to draw: a wide sheet for desks, a tall one for phones, words for numbers (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mesh.console.topology.graph import Edge, Graph, Service
from mesh.console.topology.layout import Box, Drawing, Link, Point, layout

HEAD, ROW, FOOT = 28.0, 25.0, 7.0
WIDE, TALL = 158.0, 124.0
# Room for "100 % 100 % err" and for "1.2k/s 999 ms" with a lock.
LABEL, SHORT_LABEL = (118.0, 36.0), (46.0, 18.0)
# On a phone, layers of more boxes than this become several.
WIDEST_ON_PHONES = 3
# Errors below are somebody's; from here on they are everybody's.
MANY_ERRORS = 0.05


@dataclass(frozen=True)
class Arrow:
    """`label` is its upper left corner, `size` its extent; texts are empty where there is nothing to say."""

    edge: Edge
    path: str
    label: Point | None
    size: tuple[float, float]
    rate: str
    p99: str
    errors: str
    weight: str

    @property
    def tone(self) -> str:
        return tone(self.edge)

    @property
    def width(self) -> float:
        """Of its line: a pixel more for each ten times as many requests."""
        rate = self.edge.flow.rate
        return 1.5 + min(3.0, max(0.0, len(str(int(rate))) - 1 + 0.5)) if rate else 1.0


@dataclass(frozen=True)
class Sheet:
    name: str
    drawing: Drawing
    arrows: tuple[Arrow, ...]
    box_width: float


def tone(edge: Edge) -> str:
    """The colour class of an edge."""
    if not edge.flow.rate:
        return "idle"
    share = edge.flow.error_share
    return "bad" if share >= MANY_ERRORS else "poor" if share > 0 else "good"


def worst(graph: Graph) -> Edge | None:
    """The call of which most fails, None while none does."""
    failing = (edge for edge in graph.edges if edge.flow.rate and edge.flow.errors)
    return max(failing, key=lambda edge: (edge.flow.error_share, edge.flow.rate), default=None)


def height(service: Service) -> float:
    return HEAD + ROW * len(service.versions) + FOOT


def wide(graph: Graph, labelled: Collection[tuple[str, str]] = ()) -> Sheet:
    """From left to right, with a label on every edge that has something to say or had (`labelled`)."""
    boxes = [_box(service, WIDE) for service in graph.services]
    links = [
        Link(edge.key, edge.source, edge.target, edge.workload, _label(edge, labelled))
        for edge in graph.edges
    ]
    drawing = layout(boxes, links)
    sizes = {link.key: link.label for link in links}
    arrows = (_arrow(edge, drawing, sizes[edge.key] or LABEL) for edge in graph.edges)
    return Sheet("wide", drawing, tuple(arrows), WIDE)


def tall(graph: Graph) -> Sheet:
    """Downwards; one arrow between two services, with no label but the weights of a split."""
    boxes = [_box(service, TALL) for service in graph.services]
    joined: dict[tuple[str, str], Edge] = {}
    for edge in graph.edges:
        first = joined.get((edge.source, edge.target))
        if first is None or edge.flow.rate > first.flow.rate:
            joined[edge.source, edge.target] = edge
    links = [Link(edge.key, edge.source, edge.target) for edge in joined.values()]
    drawing = layout(boxes, links, vertical=True, widest=WIDEST_ON_PHONES)
    arrows = (_arrow(edge, drawing) for edge in joined.values())
    return Sheet("tall", drawing, tuple(arrows), TALL)


def _box(service: Service, width: float) -> Box:
    rows = {version.workload: HEAD + ROW * (n + 0.5) for n, version in enumerate(service.versions)}
    return Box(service.key, width, height(service), rows)


def _label(edge: Edge, labelled: Collection[tuple[str, str]]) -> tuple[float, float] | None:
    if edge.flow.rate or edge.pair in labelled:
        return LABEL
    return None if edge.weight is None else SHORT_LABEL


def _arrow(edge: Edge, drawing: Drawing, size: tuple[float, float] = LABEL) -> Arrow:
    flow = edge.flow
    return Arrow(
        edge,
        drawing.paths[edge.key],
        drawing.labels.get(edge.key),
        size,
        rate=rate(flow.rate),
        p99=milliseconds(flow.quantile_ms(0.99)),
        errors=percent(100 * flow.error_share) if flow.errors else "",
        weight="" if edge.weight is None else percent(edge.weight),
    )


def arrows_of(graph: Graph) -> list[Arrow]:
    """All edges with their numbers in words, busiest first: what the table shows."""
    nowhere: Mapping[str, str] = {edge.key: "" for edge in graph.edges}
    every = [_arrow(edge, Drawing(0, 0, {}, {}, nowhere)) for edge in graph.edges]
    return sorted(every, key=lambda arrow: -arrow.edge.flow.rate)


def rate(per_second: float) -> str:
    if not per_second:
        return "0/s"
    if per_second < 0.1:
        return "<0.1/s"
    if per_second < 10:
        return f"{per_second:.1f}/s"
    return f"{per_second:.0f}/s" if per_second < 1000 else f"{per_second / 1000:.1f}k/s"


def milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def percent(value: float) -> str:
    if value and value < 0.1:
        return "<0.1 %"
    return f"{value:.0f} %" if value >= 10 or value == round(value) else f"{value:.1f} %"
