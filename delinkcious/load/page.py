"""A report as one page that needs nothing else: styles and charts are in it, nothing is fetched."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from delinkcious.load import charts, knee
from delinkcious.load.capacity import Capacity
from delinkcious.load.report import Run

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("delinkcious.load"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def of_run(run: Run) -> str:
    """The page of a run."""
    drawn = [Markup(svg) for svg in (*charts.over_time(run), charts.processes(run)) if svg]  # noqa: S704
    return _TEMPLATES.get_template("run.html").render(run=run, charts=drawn)


def of_capacity(found: Capacity) -> str:
    """The page of a capacity curve."""
    drawn = [Markup(svg) for svg in charts.curve(found)] if found.points else []  # noqa: S704
    return _TEMPLATES.get_template("capacity.html").render(
        found=found,
        charts=drawn,
        told=knee.told(found.verdict) if found.verdict else [],
        late_ms=knee.SENDER_LATE_MS,
    )


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _mib(value: int) -> str:
    return f"{value / 2**20:.0f}"


def _failed(errors: dict[str, int]) -> str:
    return ", ".join(f"{count} x {outcome}" for outcome, count in sorted(errors.items()))


_TEMPLATES.filters.update(ms=_ms, mib=_mib, failed=_failed)
