"""How a rollout decides: the public face of the core. Pure: no clock, no I/O; the same scrapes, the same end.

`Decider(settings, history)` is fed one `Observation` a scrape, or None where the scrape failed, and answers
with the `Decision` in force. What is promised, and how, is in docs/canary-decision.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.canary import engine, explain, promotion, wealth
from mesh.canary.batch import of_history, of_observation
from mesh.canary.ladder import Plan
from mesh.canary.model import ArmSample, Decision, Observation, PodSample, Settings
from mesh.canary.state import State, dumps, loads

__all__ = ["ArmSample", "Decider", "Decision", "Observation", "PodSample", "Settings"]


class Decider:
    """One rollout of one revision: a new revision is a new decider."""

    def __init__(self, settings: Settings, history: Sequence[ArmSample]) -> None:
        """`history`: stable-only scrapes in order, an hour or more, for references and dispersion.

        ValueError: an arm's `slow` does not fit the edges; nothing says how many requests to expect.
        """
        for sample in history:
            _fits(sample, settings)
        edges = len(settings.latency_edges_ms)
        self._begin(*engine.begin(settings, of_history(history, edges, settings.slo_error_rate)))

    def _begin(self, plan: Plan, state: State) -> None:
        self._plan, self._state = plan, state
        self._decision = self._decide()

    @property
    def decision(self) -> Decision:
        """The decision in force; before any observation the first weight."""
        return self._decision

    @property
    def at_last_step(self) -> bool:
        """Whether the next proof is the promotion's."""
        return int(self._state.step[0]) == len(self._plan.steps) - 1

    @property
    def steps(self) -> tuple[float, ...]:
        """The ladder of the canary's shares."""
        return self._plan.steps

    def observe(self, observation: Observation | None) -> Decision:
        """Take in one scrape, None if it failed, and decide. The same `at` twice changes nothing.

        ValueError: `slow` does not fit the edges, or `at` lies before the last one's.
        """
        if observation is not None and not self._is_new(observation):
            return self._decision
        if self._state.phase[0] >= engine.TERMINAL:
            return self._decision
        if observation is None:
            engine.miss(self._plan, self._state)
        else:
            slo = self._plan.settings.slo_error_rate
            engine.observe(self._plan, self._state, of_observation(observation, slo))
        self._decision = self._decide()
        return self._decision

    def dumps(self) -> str:
        """All that `loads` needs to go on with identical decisions: at most 4 KB of JSON."""
        return dumps(self._plan, self._state)

    @classmethod
    def loads(cls, text: str) -> Decider:
        """The decider that `dumps` wrote; ValueError if it did not."""
        decider = cls.__new__(cls)
        decider._begin(*loads(text))
        return decider

    def _is_new(self, observation: Observation) -> bool:
        for arm in (observation.stable, observation.canary):
            _fits(arm, self._plan.settings)
        if self._state.seen[0] and observation.at < self._state.last[0]:
            raise ValueError(f"observation: at went back from {self._state.last[0]} to {observation.at}")
        return not self._state.seen[0] or observation.at > float(self._state.last[0])

    def _decide(self) -> Decision:
        plan, state = self._plan, self._state
        return Decision(
            phase=engine.PHASES[int(state.phase[0])],
            weight=float(state.weight[0]),
            reason=explain.reason(plan, state),
            wealth=float(wealth.wealth(plan, state)[0]),
            excess=promotion.interval(state, 0, plan.settings.alpha_rollback),
            margin=float(plan.step_margins[0, -1]),
            eta_s=explain.eta_s(plan, state),
        )


def _fits(arm: ArmSample, settings: Settings) -> None:
    if len(arm.slow) != len(settings.latency_edges_ms):
        raise ValueError(
            f"slow has {len(arm.slow)} counts for {len(settings.latency_edges_ms)} latency edges"
        )
