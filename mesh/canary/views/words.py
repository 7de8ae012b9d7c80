"""Numbers, times and single events of a run as people read them (pure)."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Literal

from mesh.canary.model import Decision, PodSample
from mesh.canary.runs.journal import (
    Began,
    Commanded,
    Ended,
    Entered,
    Event,
    Gated,
    Learned,
    Overwritten,
    Replaced,
    Scaled,
    Scraped,
    Stage,
    Verdict,
    Writing,
    Written,
)

Tone = Literal["", "good", "poor", "bad"]

STAGES: dict[Stage, str] = {
    "preparing": "preparing: its pods start",
    "warming": "warming up: stable is learned",
    "mirroring": "mirroring: copies of requests, whose answers nobody gets",
    "trying": "trying: only requests with the header or cookie",
    "stepping": "stepping: a share of all requests",
    "promoting": "promoting: all requests",
    "retreating": "retreating: stable has all requests",
    "ended": "ended",
}
VERDICTS: dict[Verdict, str] = {
    "promoted": "promoted",
    "rolled_back": "rolled back",
    "inconclusive": "inconclusive",
    "aborted": "aborted",
}
TONES: dict[Verdict, Tone] = {
    "promoted": "good",
    "rolled_back": "bad",
    "inconclusive": "poor",
    "aborted": "poor",
}
# An excess that was not bounded from above.
UNBOUNDED = 1.0


def count(number: float) -> str:
    return f"{number:,.0f}"


def counted(number: int, one: str, several: str = "") -> str:
    """`1 pod`, `2 pods`."""
    return f"{count(number)} {one if number == 1 else several or one + 's'}"


def percent(share: float) -> str:
    """A fraction of one in percent, to two digits."""
    value = 100 * share
    if value == 0:
        return "0 %"
    if abs(value) < 0.001:
        return "less than 0.001 %"
    return f"{value:.1f} %".replace(".0 %", " %") if abs(value) >= 10 else f"{float(f'{value:.2g}'):g} %"


def points(share: float) -> str:
    """A difference of two rates."""
    number = percent(share).removesuffix(" %")
    return f"{number} percentage point{'' if number == '1' else 's'}"


def rate(sample: PodSample) -> str:
    """Its errors in percent of its requests."""
    return percent(sample.errors / sample.requests) if sample.requests else "-"


def took(seconds: float) -> str:
    """`45 s`, `5 min 10 s`, `1 h 02 min`."""
    if not math.isfinite(seconds) or abs(seconds) >= 1e9:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 and seconds != round(seconds) else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(at: float) -> dt.datetime | None:
    """A time of the journal, None where it is none that a calendar has."""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def clock(at: float) -> str:
    """`14:05:10`, UTC."""
    found = moment(at)
    return f"{found:%H:%M:%S}" if found else f"{at:g}"


def date(at: float) -> str:
    """`2026-11-26 14:05:10 UTC`."""
    found = moment(at)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else f"{at:g}"


def wealth(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def excess(interval: tuple[float, float]) -> str:
    """How far the canary's error rate lies above stable's, as far as it is known."""
    low, high = interval
    if low == 0 and high >= UNBOUNDED:
        return "not known yet"
    if high >= UNBOUNDED:
        return f"more than {points(low)}"
    if low == 0:
        return f"at most {points(high)}" if high else "none"
    return f"{percent(low).removesuffix(' %')} to {points(high)}"


def listed(parts: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def ended(verdict: Verdict, reason: str) -> str:
    """`rolled back: the canary is worse`, `aborted by ada`."""
    word = VERDICTS[verdict]
    return reason if reason.startswith(f"{word} by ") else _joined(word, reason)


def sentence(event: Event) -> tuple[str, Tone]:
    """What happened, and how good that is."""
    match event:
        case Began():
            pods = counted(event.replicas, "pod")
            dry = " (a dry run: nothing is changed)" if event.rollout.spec.dry_run else ""
            return f"{event.by} begins: {event.canary} beside {event.stable}, which has {pods}{dry}", ""
        case Entered():
            why = f" ({event.why})" if event.why else ""
            return STAGES[event.stage] + why, TONES[event.verdict] if event.verdict else ""
        case Learned():
            requests = sum(sample.requests for sample in event.history)
            errors = sum(sample.errors for sample in event.history)
            known = f"{count(requests)} requests, {rate(PodSample(requests, min(errors, requests)))} failed"
            looks = counted(len(event.history), "scrape")
            return f"stable is learned from {looks}: {known}" if event.history else _UNKNOWN, ""
        case Scraped():
            if event.observation is None:
                return _joined("a scrape failed", event.failed), "poor"
            return event.decision.reason, tone(event.decision)
        case Writing():
            return f"{event.percent} % are being put in force", ""
        case Written():
            header = ", and requests with the header" if event.header else ""
            copies = ", and copies of requests" if event.mirror else ""
            return f"the canary gets {event.percent} %{header}{copies}", ""
        case Overwritten():
            found = "they split no longer between the two" if event.percent is None else f"{event.percent} %"
            return f"somebody else has changed the weights: {found}", "poor"
        case Scaled():
            return f"{event.deployment} is asked for {counted(event.replicas, 'pod')}", ""
        case Replaced():
            errors = event.errors
            return f"{event.pod} had {counted(errors, 'error')}, nearly all: replaced, once", "poor"
        case Gated():
            said = _joined(f"gate {event.gate} {'is open' if event.open else 'holds'}", event.why)
            return said, "good" if event.open else "poor"
        case Commanded():
            return " ".join(filter(None, (event.by, "says", event.verb, event.gate))), ""
        case Ended():
            return ended(event.verdict, event.reason), TONES[event.verdict]


_UNKNOWN = "nothing is known of stable before the run"
_TONES: dict[str, Tone] = {
    "progressing": "",
    "holding": "poor",
    "aside": "poor",
    "promoted": "good",
    "rolled_back": "bad",
    "inconclusive": "poor",
}


def of_copies(reason: str) -> str:
    """A decision's reason where the canary is compared by copies, and has no share of the requests."""
    return _AT.sub(" by copies", reason).replace("holds the weight", "holds it")


_AT = re.compile(r" at \d+%")

# What a decision is about to do, for who has not read how it decides.
PHASES: dict[str, str] = {
    "progressing": "on its way up",
    "holding": "held: no step up",
    "aside": "stepped aside",
    "promoted": "proven",
    "rolled_back": "rolled back",
    "inconclusive": "no verdict",
}


def tone(decision: Decision) -> Tone:
    return _TONES[decision.phase]


def _joined(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what
