"""How many pods a HorizontalPodAutoscaler wants (pure).

Kubernetes' documented algorithm: the number of pods times the ratio of what a metric is and what it should
be, nothing within a tolerance of 10 %; of several metrics the most pods; then the windows and policies of
`behavior` about how far and how fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mesh.local.model import Json
from mesh.local.quantity import quantity

TOLERANCE = 0.1
# Of `behavior`, where it says nothing.
UP: Json = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN: Json = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
DEFAULT_METRIC: Json = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


class Unmeasured(Exception):
    """A metric says nothing; the text says why, as Kubernetes does."""


@dataclass(frozen=True)
class Use:
    """What one pod uses of a resource, and what it requests; None is unknown.

    `missing` is the first container that requests nothing.
    """

    pod: str
    ready: bool
    used: float | None
    requested: float | None
    missing: str = ""


@dataclass
class History:
    """What an autoscaler has said and done, by the monotonic clock: (moment, pods), (moment, pods more)."""

    said: list[tuple[float, int]] = field(default_factory=list)
    done: list[tuple[float, int]] = field(default_factory=list)

    def forget(self, before: float) -> None:
        self.said = [one for one in self.said if one[0] >= before]
        self.done = [one for one in self.done if one[0] >= before]


@dataclass(frozen=True)
class Verdict:
    """How many pods, and for people: each metric as `cpu: 30%/50%`, and what keeps it from deciding."""

    replicas: int
    metrics: tuple[str, ...] = ()
    trouble: str = ""


def decide(
    spec: Json, current: int, uses: Callable[[str], Sequence[Use]], history: History, now: float
) -> Verdict:
    """How many pods there are to be, now that there are `current`; `uses` tells of a resource by its name."""
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if current == 0:
        return Verdict(0, trouble="scaling is disabled since the replica count of the target is zero")
    wanted, told, trouble = _by_metrics(spec.get("metrics") or [DEFAULT_METRIC], current, uses)
    if not least <= current <= most:
        return Verdict(min(max(current, least), most), told, trouble)
    if wanted is None:
        return Verdict(current, told, trouble)
    behavior = spec.get("behavior") or {}
    up, down = {**UP, **(behavior.get("scaleUp") or {})}, {**DOWN, **(behavior.get("scaleDown") or {})}
    calm = _stabilised(wanted, current, up, down, history, now)
    if calm > current:
        calm = max(current, min(calm, _highest(current, up, history, now)))
    elif calm < current:
        calm = min(current, max(calm, _lowest(current, down, history, now)))
    calm = min(max(calm, least), most)
    if calm != current:
        history.done.append((now, calm - current))
    return Verdict(calm, told, trouble)


def _by_metrics(
    metrics: Sequence[Json], current: int, uses: Callable[[str], Sequence[Use]]
) -> tuple[int | None, tuple[str, ...], str]:
    """The most that a metric wants; None when none can be read, or one cannot and the rest want fewer."""
    wanted: list[int] = []
    told: list[str] = []
    troubles: list[str] = []
    for metric in metrics:
        name, target = metric["resource"]["name"], metric["resource"]["target"]
        try:
            count, measured = _wanted(name, target, current, uses(name))
            wanted.append(count)
        except Unmeasured as error:
            measured = "<unknown>"
            troubles.append(f"failed to get {name} utilization: {error}")
        told.append(f"{name}: {measured}/{_aim(target)}")
    trouble = "; ".join(troubles)
    if not wanted or (troubles and max(wanted) < current):
        return None, tuple(told), trouble
    return max(wanted), tuple(told), trouble


def _aim(target: Json) -> str:
    return (
        f"{target['averageUtilization']}%" if "averageUtilization" in target else str(target["averageValue"])
    )


def _wanted(name: str, target: Json, current: int, uses: Sequence[Use]) -> tuple[int, str]:
    """Pods that a metric wants, and how it is. Raises Unmeasured."""
    share = target["type"] == "Utilization"
    if share and (empty := next((use for use in uses if use.requested is None), None)) is not None:
        raise Unmeasured(f"missing request for {name} in container {empty.missing} of Pod {empty.pod}")
    known = [use for use in uses if use.used is not None and use.ready]
    if not known:
        raise Unmeasured("did not receive metrics for any ready pods")
    aim = float(target["averageUtilization"]) / 100 if share else quantity(target["averageValue"])

    def ratio(pods: Sequence[tuple[float, float]]) -> float:
        used = sum(each for each, _ in pods)
        return used / (sum(asked for _, asked in pods) if share else len(pods)) / aim

    def asked(use: Use) -> float:
        return use.requested or 0.0

    seen = [(use.used or 0.0, asked(use)) for use in known]
    if share and not sum(requested for _, requested in seen):
        raise Unmeasured(f"the pods request no {name}")
    plain = ratio(seen)
    measured = f"{round(plain * aim * 100)}%" if share else f"{round(plain * aim * 1000)}m"
    unready = [use for use in uses if not use.ready]
    blind = [use for use in uses if use.ready and use.used is None]
    if not unready and not blind:
        return (current if _near(plain) else math.ceil(plain * len(seen))), measured
    # Who is not known uses nothing where more is wanted, and all it may where fewer is.
    if plain > 1:
        seen += [(0.0, asked(use)) for use in (*unready, *blind)]
    else:
        seen += [(aim * (asked(use) if share else 1.0), asked(use)) for use in blind]
    careful = ratio(seen)
    if _near(careful) or (plain > 1) != (careful > 1):
        return current, measured
    count = math.ceil(careful * len(seen))
    return (max(count, current) if careful > 1 else min(count, current)), measured


def _near(ratio: float) -> bool:
    return abs(ratio - 1.0) <= TOLERANCE + 1e-9


def _stabilised(wanted: int, current: int, up: Json, down: Json, history: History, now: float) -> int:
    """The least change that all that was said within the windows agrees to."""
    windows = up["stabilizationWindowSeconds"], down["stabilizationWindowSeconds"]
    history.forget(now - max(*windows, 1800))
    above = min([wanted, *(count for at, count in history.said if at > now - windows[0])])
    below = max([wanted, *(count for at, count in history.said if at > now - windows[1])])
    history.said.append((now, wanted))
    return min(max(current, above), below)


def _highest(current: int, rules: Json, history: History, now: float) -> int:
    if rules["selectPolicy"] == "Disabled":
        return current
    counts = [_grown(current, policy, history, now) for policy in rules["policies"]]
    return min(counts) if rules["selectPolicy"] == "Min" else max(counts)


def _grown(current: int, policy: Json, history: History, now: float) -> int:
    start = _at_start(current, policy, history, now)
    if policy["type"] == "Pods":
        return start + int(policy["value"])
    return math.ceil(start * (1 + int(policy["value"]) / 100))


def _lowest(current: int, rules: Json, history: History, now: float) -> int:
    if rules["selectPolicy"] == "Disabled":
        return current
    counts = [_shrunk(current, policy, history, now) for policy in rules["policies"]]
    return max(counts) if rules["selectPolicy"] == "Min" else min(counts)


def _shrunk(current: int, policy: Json, history: History, now: float) -> int:
    start = _at_start(current, policy, history, now)
    if policy["type"] == "Pods":
        return start - int(policy["value"])
    return int(start * (1 - int(policy["value"]) / 100))


def _at_start(current: int, policy: Json, history: History, now: float) -> int:
    """How many pods there were when a policy's period began."""
    return current - sum(more for at, more in history.done if at > now - policy["periodSeconds"])
