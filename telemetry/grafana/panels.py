"""The few kinds of panels that the dashboards are made of, with one look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Panel,
    VariableHide,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
TAG = "delinkcious"
WIDTH, HEIGHT = 24, 8

# A query and what its series are called.
Query = tuple[str, str]


def board(uid: str, title: str, description: str) -> dashboard.Dashboard:
    links = dashboard.DashboardLink("Delinkcious").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return (
        dashboard.Dashboard(title)
        .uid(f"delinkcious-{uid}")
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .link(links.as_dropdown(True).include_vars(False).keep_time(True))
    )


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A choice among the values that Prometheus knows; everything at first."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .hide(VariableHide.DONT_HIDE)
        .include_all(True)
        .all_value(".+")
        .multi(True)
    )


def graph(
    title: str, unit: str, *queries: Query, about: str = "", width: int = 12, exemplars: bool = False
) -> timeseries.Panel:
    """Lines over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(HEIGHT)
        .min(0)
        .fill_opacity(10)
        .tooltip(common.VizTooltipOptions().mode(_mode()).sort(_descending()))
    )
    for number, (expr, legend) in enumerate(queries):
        panel = panel.with_target(_target(number, expr).legend_format(legend).range().exemplar(exemplars))
    return panel


def number(
    title: str, unit: str, expr: str, *, about: str = "", width: int = 4, none: str = "-"
) -> stat.Panel:
    """One value, now."""
    target = _target(0, expr).instant()
    panel = stat.Panel().title(title).description(about).datasource(PROMETHEUS).unit(unit)
    return panel.span(width).height(4).no_value(none).with_target(target)


def grid(title: str, columns: Sequence[Query], *, about: str = "", none: str = "nothing") -> table.Panel:
    """A table: a row for each combination of labels, a column for each query."""
    panel = table.Panel().title(title).description(about).datasource(PROMETHEUS).no_value(none)
    panel = (
        panel.span(WIDTH).height(10).with_transformation(DataTransformerConfig(id_val="merge", options={}))
    )
    names: dict[str, str] = {}
    for number_, (expr, name) in enumerate(columns):
        target = _target(number_, expr).instant().format(PromQueryFormat.TABLE)
        panel = panel.with_target(target)
        names["Value" if len(columns) == 1 else f"Value #{chr(ord('A') + number_)}"] = name
    organize: dict[str, Any] = {"excludeByName": {"Time": True}, "renameByName": names}
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=organize))


def row(title: str) -> dashboard.Row:
    return dashboard.Row(title)


def add(to: dashboard.Dashboard, *panels: Builder[Panel]) -> dashboard.Dashboard:
    for panel in panels:
        to = to.with_panel(panel)
    return to


Make = Callable[[], dashboard.Dashboard]


def _target(number_: int, expr: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).ref_id(chr(ord("A") + number_)).datasource(PROMETHEUS)


def _mode() -> Any:
    from grafana_foundation_sdk.models.common import TooltipDisplayMode

    return TooltipDisplayMode.MULTI


def _descending() -> Any:
    from grafana_foundation_sdk.models.common import SortOrder

    return SortOrder.DESCENDING
