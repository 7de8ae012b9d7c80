"""Where what happened differs from what `explain` predicted (pure); and both as data to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mesh.local.live.access_log import Line
from mesh.local.live.flags import details_in_words, flags_in_words, reset_reason, transport_in_words
from mesh.local.live.happening import Happened, Hop

Prediction = Mapping[str, Any]

# What a destination may answer by itself, if it is reached at all.
_OPEN = ("forwarded", "passed on")


def told(happened: Happened) -> dict[str, Any]:
    """What happened, in the words of flags and details, with the log lines themselves."""
    answer = happened.answer
    return {
        "status": answer.status,
        "error": answer.error or None,
        "ms": round(answer.ms, 1),
        "answeredBy": happened.answered_by or None,
        "requestId": happened.request_id,
        "body": answer.body or None,
        "tunnel": (answer.tunnel and ("closed" if _shut(happened) else answer.tunnel)) or None,
        "client": _hop(happened.first) if happened.first else None,
        "servers": [_hop(hop) for hop in happened.then],
        "elsewhere": [_hop(hop) for hop in happened.elsewhere],
    }


def _hop(hop: Hop) -> dict[str, Any]:
    line = hop.line
    return {
        "pod": hop.pod,
        "status": line.status,
        "flags": flags_in_words(line.flags),
        "details": line.details or None,
        "meaning": _meaning(line) or None,
        "cluster": line.cluster or None,
        "upstream": line.upstream or None,
        "route": line.route or None,
        "accessLog": line.raw,
    }


def _meaning(line: Line) -> str:
    reason, why = reset_reason(line.details), transport_in_words(line.transport_failure)
    words = (details_in_words(line.details), reason, "" if why in reason else why)
    return ": ".join(part for part in words if part)


def differences(said: Prediction, happened: Happened) -> list[str]:
    """One sentence for each; none when it went as predicted."""
    return [*_status(said, happened), *_way(said, happened)]


def agreement(happened: Happened) -> str:
    """What is to be said where nothing differs."""
    if happened.first is None and happened.answer.status is not None:
        return "No proxy wrote a line of it: that it went as predicted is not known, only its answer."
    return "It went as predicted."


def _tunnel(said: Prediction, happened: Happened) -> Iterator[str]:
    """A policy on TCP closes the connection: no status tells of it."""
    refused = _refusal(said, happened) is not None or said["outcome"] == "failed"
    if refused and not _shut(happened):
        yield "a connection that is closed at once was predicted, it stays open"
    elif not refused and _shut(happened):
        yield f"an open connection was predicted, it was closed at once{_because(happened)}"


def _shut(happened: Happened) -> bool:
    """Whether a proxy on the way closed the connection; the first one need not tell its client."""
    return any(hop.line.details and not _own_end(hop.line) for hop in happened.then)


def _own_end(line: Line) -> bool:
    """Whether the line tells nothing but that the connection was used, and ended by its client."""
    return line.details.startswith(("via_upstream", "downstream_remote_disconnect"))


def _status(said: Prediction, happened: Happened) -> Iterator[str]:
    if happened.answer.tunnel:
        yield from _tunnel(said, happened)
        return
    seen = happened.answer.status
    expected = said["status"] or _refusal(said, happened)
    answered = f"status {seen}" if seen is not None else f"no answer ({happened.answer.error})"
    if expected is not None and seen != expected:
        fault = said.get("fault") or {}
        if not (fault.get("abort") == seen and seen is not None):
            yield f"status {expected} was predicted, {answered} came{_because(happened)}"
    elif expected is None and said["outcome"] in _OPEN and _made_by_proxy(happened):
        fault = said.get("fault") or {}
        if seen is None or fault.get("abort") != seen:
            came = f"{answered} {'came' if seen is None else 'of a proxy came'}{_because(happened)}"
            yield f"an answer of the destination was predicted, {came}"


def _because(happened: Happened) -> str:
    """The reason that the last proxy gave for an answer of its own."""
    hops = [hop for hop in (happened.first, *happened.then) if hop is not None]
    words = [*flags_in_words(hops[-1].line.flags), _meaning(hops[-1].line)] if hops else []
    own = bool(hops) and not _own_end(hops[-1].line)
    return f" ({'; '.join(word for word in words if word)})" if own and any(words) else ""


def _refusal(said: Prediction, happened: Happened) -> int | None:
    """The status that the destination's sidecar was to give, when the pod that was chosen is known."""
    target = _target(said, happened)
    verdict = (target or {}).get("verdict") or {}
    return int(verdict["status"]) if verdict and not verdict["allowed"] else None


def _target(said: Prediction, happened: Happened) -> Mapping[str, Any] | None:
    targets: list[Mapping[str, Any]] = said["targets"]
    cluster = happened.first.line.cluster if happened.first else ""
    return next((target for target in targets if target["cluster"] == cluster), None)


def _made_by_proxy(happened: Happened) -> bool:
    """Whether a proxy answered in the place of the destination, as far as the access logs tell."""
    if happened.answer.status is None:
        return True
    hops = [hop for hop in (happened.first, *happened.then) if hop is not None]
    return any(hop.line.details and not hop.line.details.startswith("via_upstream") for hop in hops[-1:])


def _way(said: Prediction, happened: Happened) -> Iterator[str]:
    if happened.first is None:
        return
    line = happened.first.line
    if said["route"] and line.route and said["route"] != line.route:
        yield f"the route {said['route']} was predicted, {line.route} was taken"
    clusters = [target["cluster"] for target in said["targets"]]
    if clusters and line.cluster and line.cluster not in clusters:
        yield f"the destination {' or '.join(clusters)} was predicted, {line.cluster} was taken"
    target = _target(said, happened)
    reached = {hop.pod.rpartition("/")[2] for hop in happened.then}
    if target is not None and reached and target["pods"] and not reached & set(target["pods"]):
        yield f"a pod of {', '.join(target['pods'])} was predicted, {', '.join(sorted(reached))} got it"
    secured = {bool(hop.line.server_name) for hop in happened.then if hop.line.inbound}
    if target is not None and len(secured) == 1 and target["mtls"] not in secured:
        asked, came = ("mutual TLS", "plain text") if target["mtls"] else ("plain text", "mutual TLS")
        yield f"{asked} was predicted, {came} arrived"
