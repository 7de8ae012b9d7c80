"""Why a run ended so, or where it stands: paragraphs for a reader who knows no statistics (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from mesh.canary.model import PodSample
from mesh.canary.runs.journal import Event
from mesh.canary.views import words
from mesh.canary.views.parts import NOTHING, Span, Step, plus
from mesh.canary.views.story import Story, story
from mesh.canary.views.waiting import silence, standing, waiting

# What the reason says of pods that did not become ready.
UNREADY = "canary pods are ready after"
# A gate that held for less is no part of the story.
HELD_S = 1.0
# Pods that are named, those with most errors first.
PODS = 3
# So many standard deviations are no harm yet.
CHANCE = 2.0


def explain(events: Iterable[Event]) -> list[str]:
    """The paragraphs of a run. Raises NotARun."""
    return paragraphs(story(events))


def paragraphs(told: Story, now: float | None = None) -> list[str]:
    """In the order of reading: the end, what was tried, how it went, the evidence, what stood in the way."""
    moment = told.last_at if told.ended or now is None else now
    parts = (
        _end(told, moment),
        _question(told),
        *_course(told, moment),
        _answers(told),
        _evidence(told),
        _pods(told),
        _others(told),
        _waits(told, moment),
        _failures(told),
        _next(told),
    )
    return [part for part in parts if part]


def _end(told: Story, now: float) -> str:
    new, old = told.canary, told.stable
    after = words.took(now - told.began.at)
    if not told.ended:
        where = standing(told)
        wait = "; ".join(waiting(told, now))
        quiet = silence(told, now)
        return (
            f"The rollout of {told.service} {new} goes on, for {after} now. {where[:1].upper()}{where[1:]}; "
            f"{new} gets {told.percent} % of the requests."
            + (f" It waits for {wait}." if wait else "")
            + (f" {_sentence(quiet)}" if quiet else "")
            + (" It is a dry run: no weight is really changed." if told.spec.dry_run else "")
        )
    why = _stop(told.reason)
    match told.verdict:
        case "promoted" | "rolled_back" as verdict if told.spec.dry_run:
            said = f"{told.service} {new} would have been {words.VERDICTS[verdict]} after {after}."
        case "rolled_back" if not _served(told):
            copied = any(step.mirror for step in told.shares)
            had = "it had more than copies of requests" if copied else "it had a request"
            said = f"{told.service} {new} was rolled back after {after}, before {had}: "
            said += f"all went to {old} throughout."
        case "promoted":
            said = (
                f"{told.service} {new} was promoted after {after}: all requests go to it now, none to {old}."
            )
        case "rolled_back":
            said = f"{told.service} {new} was rolled back after {after}: all requests go to {old} again."
        case "inconclusive":
            stays = (
                f"{new} keeps {told.percent} % of the requests" if told.percent else f"all go to {old} again"
            )
            said = f"The rollout of {told.service} {new} ended after {after} without a verdict: {stays}. "
            said += f"This does not say that {new} is bad."
        case _:
            by = why.removesuffix(".").removeprefix("aborted") if why.startswith("aborted by ") else ""
            why = "" if by else why
            said = f"The rollout of {told.service} {new} was aborted{by} after {after}; "
            said += f"no verdict on {new} follows."
    said += f" The reason: {why}" if why else ""
    return said + (" It was a dry run: no weight was really changed." if told.spec.dry_run else "")


def _served(told: Story) -> bool:
    """Whether the canary was ever sent a request."""
    return any(step.percent or step.header for step in told.shares)


def _question(told: Story) -> str:
    began = told.began
    said = f"{began.by} began run {began.run} on {words.date(began.at)}."
    if began.changed:
        said += f" {told.canary} differs from {told.stable} in this: {'; '.join(began.changed)}."
    elif began.revision:
        said += f" {told.canary} is of revision {began.revision}; how it differs is not recorded."
    return said


def _course(told: Story, now: float) -> list[str]:
    """Stages before the first share in one sentence, then each share in one of its own."""
    before = [span for span in told.stages if span.what in ("preparing", "warming")]
    names = [
        f"{span.what} again" if span.what == "warming" and number > 1 else span.what
        for number, span in enumerate(before)
    ]
    lasted = [f"{name} took {words.took(span.lasted(now))}" for name, span in zip(names, before, strict=True)]
    found = [_sentence(words.listed(lasted))] if lasted else []
    steps: list[Step] = []
    for step in told.shares:
        if _is_told(told, step):
            steps = _joined(steps, step)
    shares = [_share(told, step, now) for step in steps]
    return found + (["Step by step: " + " ".join(shares)] if shares else [])


def _joined(steps: list[Step], step: Step) -> list[Step]:
    """A share that was written again, because somebody had changed it, is one."""
    last = steps[-1] if steps else None
    if last is None or _kind(last) != _kind(step):
        return [*steps, step]
    both = plus(last.stable, step.stable), plus(last.canary, step.canary)
    return [*steps[:-1], replace(last, until=step.until, stable=both[0], canary=both[1])]


def _kind(step: Step) -> tuple[int, bool, bool]:
    return step.percent, step.header, step.mirror


def _is_told(told: Story, step: Step) -> bool:
    return bool(step.percent or step.header or step.mirror or step.canary.requests) and step is not _beyond(
        told
    )


def _beyond(told: Story) -> Step | None:
    """The last share where it is all or nothing: the end has told of it."""
    last = told.shares[-1] if told.shares else None
    if last is None or not told.ended or last.percent not in (0, 100):
        return None
    return None if last.header or last.mirror else last


def _share(told: Story, step: Step, now: float) -> str:
    until = now if step.until is None else step.until
    lasted = words.took(until - step.since)
    what = f"{step.percent} %"
    if not step.percent and (step.header or step.mirror):
        kind = "header" if told.spec.cookie is None else "cookie"
        what = f"only requests with the {kind}" if step.header else "only copies of requests"
    both = [_arm(told.stable, step.stable), _arm(told.canary, step.canary)]
    answered = ", ".join(part for part in both if part) or "no requests"
    return f"{_sentence(what, '')} for {lasted}: {answered}."


def _arm(name: str, sample: PodSample) -> str:
    if not sample.requests:
        return ""
    errors = words.counted(sample.errors, "error") if sample.errors else "no error"
    return f"{name} answered {words.counted(sample.requests, 'request')} with {errors} ({words.rate(sample)})"


def _answers(told: Story) -> str:
    stable, canary = told.totals
    if canary == NOTHING and any(step.mirror and step.canary.requests for step in told.shares):
        return f"{told.canary} had copies of requests only: nobody got an answer of it."
    if canary == NOTHING:
        return f"{told.canary} had no requests in any scrape." if told.scrapes else ""
    said = f"In the whole run {_arm(told.canary, canary)}"
    said += f", and {_arm(told.stable, stable)}." if stable.requests else "."
    if told.harmed < 0.5:
        return said + f" That is no more than {told.stable} would have had: nobody was harmed."
    said += f" At the rate of {told.stable} in the same moments about "
    said += f"{words.counted(round(told.harmed), 'request')} fewer would have failed"
    if told.harmed < CHANCE * math.sqrt(canary.errors):
        return said + ", a difference that chance alone can make."
    return said + ": that is the estimate of the harm done."


def _evidence(told: Story) -> str:
    decided = [point for point in told.points if point.decided]
    if not decided:
        return ""
    last, alpha = decided[-1], told.spec.analysis.alpha_rollback
    new, old = told.canary, told.stable
    said = (
        f"The evidence against {new} begins at 1 and grows with errors, slow requests and bad pods that "
        f"{old} does not have; at {words.wealth(told.rollback_at)} the rollout is rolled back. A version "
        f"that is as good as {old} ever gets there in at most {words.percent(alpha)} of rollouts, however "
        f"often one looks. It {'ended' if told.ended else 'stands'} at {words.wealth(last.wealth)}"
    )
    said += f", after {words.wealth(told.peak)} at the highest." if told.peak > max(1, last.wealth) else "."
    low, high = last.excess
    if high < words.UNBOUNDED or low > 0:
        said += (
            f" With {100 * (1 - alpha):g} % confidence the error rate of {new} is {_above(told, low, high)}."
        )
    if told.verdict == "promoted" and "policy" not in told.reason and not told.commanded_to("promote"):
        said += f" A promotion has to rule out {words.points(last.margin)} or more, and this is done."
    return said


def _above(told: Story, low: float, high: float) -> str:
    if low == 0:
        return f"at most {words.points(high)} above that of {told.stable}"
    upper = f" and at most {words.points(high)}" if high < words.UNBOUNDED else ""
    return f"at least {words.points(low)}{upper} above that of {told.stable}"


def _pods(told: Story) -> str:
    said = [
        f"The pod {each.pod} had {words.counted(each.errors, 'error')}, nearly all there were, and was "
        f"replaced at {words.clock(each.at)} UTC before the version was blamed."
        for each in told.replacements
    ]
    failed = sorted(
        ((name, pod) for name, pod in told.every_pod.items() if pod.errors),
        key=lambda item: (-item[1].errors, item[0]),
    )
    if failed and len(told.every_pod) > 1 and told.verdict != "promoted":
        named = [f"{name} {words.count(pod.errors)} of {words.count(pod.requests)}" for name, pod in failed]
        rest = f" and {words.counted(len(named) - PODS, 'other')}" if len(named) > PODS else ""
        pods = words.counted(len(told.every_pod), "pod")
        said.append(f"Of {pods} of {told.canary}, errors came from {', '.join(named[:PODS])}{rest}.")
    return " ".join(said)


def _others(told: Story) -> str:
    """What people did: foreign weights, commands."""
    said = []
    if told.foreign:
        times = words.counted(len(told.foreign), "time")
        found = words.listed([_found(each.percent) for each in told.foreign])
        said.append(f"Somebody else changed the weights {times}, to {found}.")
    spoken = [
        f"{each.verb}{f' of {each.gate}' if each.gate else ''} by {each.by} at {words.clock(each.at)} UTC"
        for each in told.commanded
    ]
    if spoken:
        said.append(f"By hand: {words.listed(spoken)}.")
    return " ".join(said)


def _found(percent: int | None) -> str:
    return "something that is no split of the two" if percent is None else f"{percent} % for the canary"


def _waits(told: Story, now: float) -> str:
    said = []
    gates = [span for span in told.held if span.lasted(now) >= HELD_S]
    if gates:
        said.append(f"Gates held the next move: {words.listed([_held(span, now) for span in gates])}.")
    pauses = [_paused(span, now) for span in told.pauses if span.until is not None]
    if pauses:
        said.append(f"It was paused for {words.listed(pauses)}.")
    said += [f"It has been paused for {_paused(span, now)}." for span in told.pauses if span.until is None]
    return " ".join(said)


def _paused(span: Span, now: float) -> str:
    return f"{words.took(span.lasted(now))} ({span.what})"


def _held(span: Span, now: float) -> str:
    lasted = f"{span.what} for {words.took(span.lasted(now))}"
    if span.until is None:
        return f"{lasted} so far{f' ({span.why})' if span.why else ''}"
    # What a command opens has been opened by it: who gave it is told with what was done by hand.
    return f"{lasted} ({span.why})" if span.why and not span.why.startswith("`") else lasted


def _failures(told: Story) -> str:
    if not told.failures:
        return ""
    nothing = "it says nothing" if told.failures == 1 else "they say nothing"
    of = f"{words.count(told.failures)} of {words.counted(told.scrapes, 'scrape')}"
    return f"{of} failed; {nothing} for or against."


def _next(told: Story) -> str:
    service, new = told.service, told.canary
    if not told.ended:
        return f"To follow it: `delinkcious canary watch {service}`."
    check = f"`delinkcious canary replay {told.name}` decides everything anew from what was recorded."
    match told.verdict:
        case "promoted":
            advice = f"Nothing has to be done. The next rollout of {service} compares with {new}."
        case "rolled_back" if UNREADY in told.reason:
            logs = f"`delinkcious mesh logs deployment/{told.began.name} -n {told.namespace}`"
            advice = f"See why its pods did not become ready: {logs}. Mend it and begin again."
        case "rolled_back":
            advice = (
                f"Look at what fails in {new}: `delinkcious logs {service} --level error`, and the traces "
                "with errors. Mend it and begin again; the same revision would go the same way again."
            )
        case "inconclusive":
            advice = _doubt(told)
        case _:
            advice = "Begin again whenever whoever stopped it agrees."
    return f"{advice} {check}"


def _doubt(told: Story) -> str:
    """What to do about each way of ending without a verdict."""
    ways = {
        "split": f"See why the share of {told.canary} is not what the VirtualService says "
        "(`delinkcious mesh check`), then begin again.",
        "no data": "See why there were no numbers (`delinkcious status`), then begin again.",
        "coincides": f"Look at what both versions need: {told.canary} may have harmed it, or it failed "
        "by itself.",
        "too long": "Begin again when there is more traffic, with longer timeouts or with fewer steps.",
    }
    return next((way for word, way in ways.items() if word in told.reason), "Mend that, then begin again.")


def _sentence(text: str, end: str = ".") -> str:
    return f"{text[:1].upper()}{text[1:]}{end}"


def _stop(reason: str) -> str:
    return reason if not reason or reason.endswith((".", "!", "?")) else reason + "."
