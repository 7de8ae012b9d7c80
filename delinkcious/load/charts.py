"""Charts as SVG for a page: drawn by pygal, in the page's own colours, without script or anything fetched.

pygal is one small wheel without dependencies of weight; its SVG scales and takes CSS variables as colours, so
that one page is right in the light and in the dark. plotly would put three megabytes of script into each
page, and matplotlib draws in fixed colours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pygal
from pygal.style import Style

from delinkcious.load.capacity import Capacity
from delinkcious.load.report import Run

WIDTH, HEIGHT = 720, 340
COLOURS = tuple(f"var(--series-{number})" for number in range(1, 5))
# In a bar chart: so many processes, those that used most.
PROCESSES = 12

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--ink)",
    foreground_strong="var(--ink)",
    foreground_subtle="var(--faint)",
    guide_stroke_color="var(--faint)",
    major_guide_stroke_color="var(--faint)",
    colors=COLOURS,
    font_family="inherit",
    label_font_size=15,
    major_label_font_size=15,
    legend_font_size=15,
    title_font_size=17,
    tooltip_font_size=14,
    opacity=".9",
)

Points = Sequence[tuple[float, float | None]]


def over_time(run: Run) -> list[str]:
    """Throughput and latencies, block by block."""
    blocks = run.total.blocks
    at = [round((number + 0.5) * run.block_s, 1) for number in range(len(blocks))]
    rates = _xy("requests a second", "seconds")
    rates.add("succeeded", list(zip(at, (block.rate for block in blocks), strict=True)))
    rates.add("failed", list(zip(at, (block.failed / run.block_s for block in blocks), strict=True)))
    latencies = _xy("milliseconds", "seconds", logarithmic=True)
    for title, name in (("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms")):
        points = zip(at, (getattr(block, name) for block in blocks), strict=True)
        latencies.add(title, _known(list(points)))
    return [_svg(rates), _svg(latencies)]


def processes(run: Run) -> str:
    """Whose CPU time it was."""
    most = [usage for usage in run.processes if usage.cpu_s][:PROCESSES]
    chart = pygal.HorizontalBar(**_options("CPU, percent of one core"), show_legend=False)
    chart.x_labels = [usage.name for usage in reversed(most)]
    chart.add("CPU", [round(usage.cpu_share * 100, 1) for usage in reversed(most)])
    return _svg(chart) if most else ""


def curve(found: Capacity) -> list[str]:
    """Goodput and p99 against offered load."""
    goodput = _xy("answered well in time, a second", "offered, a second")
    goodput.add("goodput", [(point.offered, point.goodput) for point in found.points])
    most = max(point.offered for point in found.points)
    goodput.add("all of it", [(0, 0), (most, most)], show_dots=False, stroke_style={"dasharray": "4, 6"})
    latency = _xy("p99, milliseconds", "offered, a second", logarithmic=True)
    latency.add("p99", _known([(point.offered, point.p99_ms) for point in found.points]))
    latency.add("p50", _known([(point.offered, point.p50_ms) for point in found.points]))
    if found.verdict is not None and (knee := found.verdict.knee) is not None:
        goodput.add("knee", [(knee.offered, knee.goodput)], dots_size=8)
        latency.add("knee", _known([(knee.offered, knee.p99_ms)]), dots_size=8)
    return [_svg(goodput), _svg(latency)]


def _known(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if y]


def _xy(title: str, below: str, *, logarithmic: bool = False) -> Any:
    return pygal.XY(**_options(title), x_title=below, logarithmic=logarithmic, dots_size=3)


def _options(title: str) -> dict[str, Any]:
    return {
        "style": _STYLE,
        "js": (),
        "explicit_size": False,
        "width": WIDTH,
        "height": HEIGHT,
        "title": title,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 4,
        "disable_xml_declaration": True,
        "no_data_text": "nothing was answered",
        "x_labels_major_count": 8,
        "show_minor_x_labels": False,
    }


def _svg(chart: Any) -> str:
    return _COMMENT.sub("", chart.render(is_unicode=True))
