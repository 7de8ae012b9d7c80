"""The objectives: what is left of each budget, and how fast it is being spent. Made from `slos.yaml`."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from telemetry.grafana.panels import add, board, graph, grid, number, row
from telemetry.slo.model import Objectives
from telemetry.slo.rules import BAD, BUDGET_LEFT, OBJECTIVE, TOTAL, error_ratio, windows


def objectives(promised: Objectives) -> dashboard.Dashboard:
    about = f"What is promised over {promised.period}, and what is left of what may go wrong."
    fastest = max(promised.burn_rates, key=lambda rate: rate.factor)
    made = add(
        board("slo", "Delinkcious: objectives", about),
        grid(
            "All of them",
            [
                (OBJECTIVE, "promised"),
                (f"sum by (service, slo) ({BUDGET_LEFT})", "budget left"),
                (f"sum by (service, slo) ({_burn(fastest.long)})", f"burn rate, {fastest.long}"),
            ],
            about="A burn rate of 1 spends exactly the budget; over 14.4 for an hour somebody is called.",
        ),
    )
    for slo in promised.slos:
        of = f'{{slo="{slo.name}"}}'
        made = add(
            made.with_row(row(f"{slo.name}: {slo.objective:g} %")),
            number("Budget left", "percentunit", f"{BUDGET_LEFT}{of}", about=slo.promise, none="no requests"),
            graph(
                "Burn rate",
                "short",
                *((_burn(window, of), window) for window in windows(promised)),
                about=slo.promise,
                width=10,
            ),
            graph("Bad ones and all", "short", (f"{BAD}{of}", "bad"), (f"{TOTAL}{of}", "all"), width=10),
        )
    return made


def _burn(window: str, of: str = "") -> str:
    return f"{error_ratio(window)}{of} / on (slo, service) (1 - {OBJECTIVE}{of})"
