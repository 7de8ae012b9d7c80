"""What a run waits for, and how much longer (pure)."""

from __future__ import annotations

from mesh.canary.model import Decision
from mesh.canary.views import words
from mesh.canary.views.story import Story

QUIET_S = 60.0
# So many scrapes without a request are worth a word.
UNASKED = 6


def waiting(told: Story, now: float) -> list[str]:
    """Sentences without an end, the most telling first; none when the run has ended."""
    if told.ended:
        return []
    found = []
    if told.paused:
        found.append(f"a person: {told.paused} (`delinkcious canary resume {told.service}` goes on)")
    if told.ordered is not None:
        verb, by = told.ordered
        found.append(f"the {verb} that {by} asked for, which is next")
    for span in told.closed:
        why = f": {span.why}" if span.why else ""
        found.append(f"gate {span.what} for {words.took(span.lasted(now))}{why}")
    if told.failed:
        found.append(f"a scrape that works: {told.failed}")
    if unasked := _unasked_s(told, now):
        found.append(f"requests: {'no copy' if told.copies else 'none'} in {words.took(unasked)}")
    found.extend(_stage(told, now))
    return found


def standing(told: Story) -> str:
    """Where a run that goes on stands."""
    if told.paused:
        return f"paused at {told.percent} %"
    if told.stage == "preparing" and told.closed and told.scaled_at is None:
        return "preparing: no pod is started before a gate opens"
    return words.STAGES[told.stage]


def eta_s(told: Story, now: float) -> float | None:
    """Seconds until a canary that is as good as stable is promoted, None where it is not on its way.

    While it gets copies, until these have proven it.
    """
    if told.decision is None or told.stage not in ("stepping", "mirroring") or told.paused or told.closed:
        return None
    if silence(told, now) or _unasked_s(told, now):
        return None
    eta = told.decision.eta_s
    at = told.points[-1].at if told.points else told.last_at
    return None if eta is None else max(0.0, eta - (now - at))


def _unasked_s(told: Story, now: float) -> float:
    """How long the canary, which should get some, has had no request; 0 where it has, or not for long."""
    if told.stage not in ("stepping", "mirroring", "trying") or told.traffic is None:
        return 0.0
    if not (told.percent or told.traffic.header or told.traffic.mirror):
        return 0.0
    asked = (point.at for point in reversed(told.points) if point.canary.requests)
    since = max(told.written_at, next(asked, 0.0))
    last = told.points[-1].at if told.points else now
    return last - since if last - since > UNASKED * told.spec.analysis.scrape_interval_s else 0.0


def silence(told: Story, now: float) -> str:
    """That nothing has been heard of a run for longer than it is ever quiet."""
    silent = now - told.last_at
    if (
        told.stage not in ("stepping", "trying", "mirroring")
        or silent < QUIET_S + 3 * told.spec.analysis.scrape_interval_s
    ):
        return ""
    return f"nothing was written for {words.took(silent)}: the controller may not be running"


def _stage(told: Story, now: float) -> list[str]:
    since = now - told.entered_at
    match told.stage:
        case "preparing" if told.closed and told.scaled_at is None:
            return []
        case "preparing":
            since = now - max(told.entered_at, told.scaled_at or 0.0)
            pods = [f"{name} with {words.counted(number, 'pod')}" for name, number in told.scaled.items()]
            what = f"pods that are ready: {', '.join(pods)}" if pods else "its pods"
            return [f"{what} (for {words.took(since)} of at most {words.took(told.spec.timeouts.ready_s)})"]
        case "warming":
            by = ", by its GET requests over HTTP" if told.copies else ""
            return [f"what stable is like{by} (for {words.took(since)}){_made(told)}"]
        case "mirroring" if told.decision is not None and not told.paused:
            then = "all requests" if told.spec.strategy == "blueGreen" else "the first share"
            why = words.of_copies(told.decision.reason)
            return [f"proof by copies of requests: {why}{_when(told, now, then)}"]
        case "trying" if told.spec.trial is not None:
            name, left = told.spec.trial.name, told.spec.trial.for_s - since
            route = " (a person has to route them: it is a dry run)" if told.spec.dry_run else ""
            kind = "header" if told.spec.cookie is None else "cookie"
            return [f"requests with the {kind} {name}{route}, {words.took(left)} more"]
        case "stepping" if told.stays:
            return [told.stays]
        case "stepping" if told.decision is not None and not told.paused:
            return [_decision(told, told.decision, now)]
        case "stepping" if told.decision is None and told.ladder.steps and not told.paused:
            first = round(told.ladder.steps[0])
            return [_set(told, first) if told.spec.dry_run else f"the first share, {first} %"]
        case "promoting":
            return [f"{told.canary} to stay well with all requests (for {words.took(since)})"]
        case "retreating":
            return [f"{told.canary} to be without requests (for {words.took(since)})"]
        case _:
            return []


def _set(told: Story, wanted: int) -> str:
    weights = f"{told.stable} {100 - wanted}, {told.canary} {wanted}"
    return f"a person to set the weights {weights} in VirtualService {told.spec.routes}: it is a dry run"


def _decision(told: Story, decision: Decision, now: float) -> str:
    wanted = round(100 * decision.weight)
    if told.spec.dry_run and wanted != told.percent:
        return _set(told, wanted)
    if decision.phase == "progressing" and wanted != told.percent:
        return f"the move from {told.percent} % to {wanted} %"
    return f"proof: {decision.reason}{_when(told, now, 'promotion')}"


def _when(told: Story, now: float, what: str) -> str:
    eta = eta_s(told, now)
    return f", about {words.took(eta)} more until {what}" if eta is not None else ""


def _made(told: Story) -> str:
    """Who makes requests where there are none."""
    load = told.spec.load
    if load is None or told.spec.dry_run:
        return ""
    if told.scaled.get(load.deployment):
        return f"; {load.deployment} makes requests"
    return f"; below {load.below_rps:g} requests/s {load.deployment} is asked for some"
