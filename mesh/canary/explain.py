"""A decision in words and in time: the reason, and how long until promotion."""

from __future__ import annotations

import math

import numpy as np

from mesh.canary import promotion, references, wealth
from mesh.canary.engine import TERMINAL, Reason
from mesh.canary.evidence import OTHER_LEVELS, log_mean_exp
from mesh.canary.ladder import TAIL_FACTOR, Plan, Traffic, growth
from mesh.canary.state import State

_WORDS = {
    Reason.COLLECTING: "collecting evidence at {weight:.0%}: an excess above {margin:.1%} is possible",
    Reason.EVIDENCE: "the evidence against the canary, mostly from {component}, holds the weight",
    Reason.STABLE_SUSPECT: "stable itself misses its objective: no step up",
    Reason.NO_DATA: "no data for {silent:.0f} s: no step up",
    Reason.STEPPED: "the last step is proven harmless: up to {weight:.0%}",
    Reason.SHARED_FAILURE: "stable fails too: the canary steps aside without blame",
    Reason.REENTERED: "stable is calm again: back to {weight:.0%}",
    Reason.WORSE: "the canary is worse than stable: {component}",
    Reason.CANARY_ALONE: "stable has no requests and the canary misses the objective",
    Reason.SPLIT_FEW: "split: the canary gets less than half of its configured share",
    Reason.SPLIT_MANY: "split: the canary gets more than twice its configured share",
    Reason.COINCIDES: "the canary coincides with a shared failure: a person has to decide",
    Reason.STEP_TIMEOUT: "the step took too long without proof",
    Reason.RUN_TIMEOUT: "the run took too long without proof",
    Reason.DATA_TIMEOUT: "no data for {silent:.0f} s",
    Reason.PROVEN: "an excess error rate above {margin:.1%} is ruled out",
    Reason.UNPROVEN: "time is up and nothing speaks against the canary: promoted by policy, not by proof",
}
# The step's error rate is proven; it waits for whole blocks, and the last one for latency.
_REST = "collecting evidence at {weight:.0%}: an excess above {margin:.1%} is ruled out; not yet {rest}"


def reason(plan: Plan, state: State) -> str:
    """Why the only run is where it is."""
    words = _WORDS[Reason(int(state.reason[0]))]
    wanted = math.log(1 / plan.settings.alpha_promote)
    if state.reason[0] == Reason.COLLECTING and log_mean_exp(state.log_proof)[0] >= wanted:
        words = _REST
    earned = plan.weights[0] * wealth.components(plan, state)[0]
    return words.format(
        weight=float(state.weight[0]),
        margin=float(promotion.margins(plan, state)[0]),
        silent=float(state.missed[0]) * plan.settings.scrape_s,
        component=wealth.COMPONENTS[int(np.argmax(earned))],
        rest=_rest(plan, state, wanted),
    )


def _rest(plan: Plan, state: State, wanted: float) -> str:
    """What keeps a step whose error rate is proven."""
    if state.step[0] == len(plan.steps) - 1:
        open_ = [
            f"{float(plan.tail_margins[0, edge]):.0%} more answers above "
            f"{plan.settings.latency_edges_ms[int(plan.edges[0, edge])]:g} ms"
            for edge in range(state.log_proof_tails.shape[1])
            if plan.judged[0, edge] and log_mean_exp(state.log_proof_tails)[0, edge] < wanted
        ]
        if open_:
            return " and ".join(open_)
    return "all scrapes of this step"


def eta_s(plan: Plan, state: State) -> float | None:
    """Seconds until a canary that is just as stable is promoted; None where it is not on its way."""
    if state.phase[0] >= TERMINAL or state.reason[0] not in _MOVING:
        return None
    scrapes = sum(_step_scrapes(plan, state, step) for step in range(int(state.step[0]), len(plan.steps)))
    return float(scrapes * plan.settings.scrape_s)


_MOVING = (Reason.COLLECTING, Reason.STEPPED, Reason.REENTERED)


def _step_scrapes(plan: Plan, state: State, step: int) -> int:
    """Whole blocks, and the scrape in flight when the weight changes."""
    now = step == state.step[0]
    wanted = math.log(1 / plan.settings.alpha_promote)
    traffic = Traffic(plan.rps * plan.settings.scrape_s, plan.size, plan.phi, plan.pod_requests)
    nS, nC = traffic.at(plan.steps[step])
    level, none = references.rate(state.ref_errors, state.ref_requests), np.zeros(1)
    reached = float(log_mean_exp(state.log_proof[0])) if now else 0.0
    rates = [(reached, growth(nS, nC, level, plan.step_margins[:, step])[0])]
    if step == len(plan.steps) - 1:
        nS, nC = ((1 - plan.steps[step]) * traffic.total + none, plan.steps[step] * traffic.total + none)
        for edge, margin in enumerate(plan.tail_margins[0][plan.judged[0, :2]]):
            tail = references.rate(state.ref_slow[:, edge], state.ref_requests)
            reached = float(log_mean_exp(state.log_proof_tails[0, edge])) if now else 0.0
            rates.append((reached, growth(nS, nC, tail, margin, TAIL_FACTOR, OTHER_LEVELS)[0]))
    needed = max((wanted - reached) / max(float(rate), 1e-9) for reached, rate in rates)
    done = int(state.step_scrapes[0]) if now else 0
    blocks = max(1, math.ceil((done + max(needed, 0.0)) / wealth.BLOCK_SCRAPES))
    return max(1, wealth.BLOCK_SCRAPES * blocks + 1 - done)
