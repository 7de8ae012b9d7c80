"""Charts as SVG for a page: drawn by pygal, in the page's own colours, without script or anything fetched.

pygal is one small wheel without dependencies of weight; its SVG scales and takes CSS variables as colours, so
that one page is right in the light and in the dark. plotly would put three megabytes of script into each
page, and matplotlib draws in fixed colours.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pygal
from pygal.style import Style

from delinkcious.load.capacity import Capacity
from delinkcious.load.report import Run

# It also puts a finder for its plugins behind every import, of a kind that Python warns of and asks no more.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

WIDTH, HEIGHT = 720, 340
COLOURS = tuple(f"var(--series-{number})" for number in range(1, 5))
# In a bar chart: so many processes, those that used most.
PROCESSES = 12

# pygal signs its work, and tells a script of its own, which is not there, how it was drawn.
_NOT_DRAWN = re.compile(r"<!--.*?-->|<script\b.*?</script>", re.DOTALL)
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
    latencies = {
        title: list(zip(at, (getattr(block, name) for block in blocks), strict=True))
        for title, name in (("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"))
    }
    return [_svg(rates), _svg(_logarithmic("milliseconds", "seconds", latencies))]


def processes(run: Run) -> str:
    """Whose CPU time it was."""
    most = [usage for usage in run.processes if usage.cpu_s][:PROCESSES]
    options = {**_options("CPU, percent of one core"), "show_minor_x_labels": True}
    chart = pygal.HorizontalBar(**options, show_legend=False)
    chart.x_labels = [usage.name for usage in reversed(most)]
    chart.add("CPU", [round(usage.cpu_share * 100, 1) for usage in reversed(most)])
    return _svg(chart) if most else ""


def curve(found: Capacity) -> list[str]:
    """Goodput and p99 against offered load."""
    goodput = _xy("answered well in time, a second", "offered, a second")
    goodput.add("goodput", [(point.offered, point.goodput) for point in found.points])
    most = max(point.offered for point in found.points)
    goodput.add("if all were", [(0, 0), (most, most)], show_dots=False, stroke_style={"dasharray": "4, 6"})
    latencies: dict[str, Points] = {
        "p99": [(point.offered, point.p99_ms) for point in found.points],
        "p50": [(point.offered, point.p50_ms) for point in found.points],
    }
    if found.verdict is not None and (knee := found.verdict.knee) is not None:
        goodput.add("knee", [(knee.offered, knee.goodput)], dots_size=8)
        latencies["knee"] = [(knee.offered, knee.p99_ms)]
    return [_svg(goodput), _svg(_logarithmic("milliseconds", "offered, a second", latencies))]


def _xy(title: str, below: str) -> Any:
    return pygal.XY(**_options(title), x_title=below, dots_size=3)


def _logarithmic(title: str, below: str, series: Mapping[str, Points]) -> Any:
    """Heights as logarithms: pygal's own logarithmic charts bend the other axis, too."""
    chart = _xy(title, below)
    chart.value_formatter = lambda found: f"{10**found:.3g}" if isinstance(found, int | float) else str(found)
    known = {name: [(x, math.log10(y)) for x, y in points if y] for name, points in series.items()}
    heights = [height for points in known.values() for _, height in points] or [0.0]
    chart.y_labels = _steps(min(heights), max(heights))
    for name, points in known.items():
        chart.add(name, points)
    return chart


def _steps(low: float, high: float) -> list[dict[str, Any]]:
    """1, 2, 5, 10 ... from below the lowest to above the highest, as logarithms with their names."""
    wanted = [
        mantissa * 10**power
        for power in range(math.floor(low) - 1, math.ceil(high) + 1)
        for mantissa in (1, 2, 5)
    ]
    first = max((number for number in wanted if math.log10(number) <= low), default=wanted[0])
    last = min((number for number in wanted if math.log10(number) >= high), default=wanted[-1])
    shown = [number for number in wanted if first <= number <= last]
    return [{"label": f"{number:g}", "value": math.log10(number)} for number in shown]


def _options(title: str) -> dict[str, Any]:
    return {
        "style": _STYLE,
        "js": (),
        "explicit_size": False,
        "width": WIDTH,
        "height": HEIGHT,
        "title": title,
        "legend_at_bottom": True,
        "margin_bottom": 45,
        "legend_at_bottom_columns": 4,
        "disable_xml_declaration": True,
        "no_data_text": "nothing was answered",
        "x_labels_major_count": 8,
        "show_minor_x_labels": False,
    }


def _svg(chart: Any) -> str:
    return _NOT_DRAWN.sub("", chart.render(is_unicode=True))
