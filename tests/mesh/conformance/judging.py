"""Compares what came back with what a case expects; every difference is a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.mesh.conformance.case import Bounds, Expect, Log, Upstream
from tests.mesh.conformance.sending import Answer

LONGEST = 300
ReadLog = Callable[[str, str], Mapping[str, str]]


def differences(expect: Expect, answers: Sequence[Answer], log: ReadLog) -> Iterator[str]:
    """What is not as expected; `log` reads the line of a request in the log of a workload's proxy."""
    for answer in answers:
        found = [*_differences(expect, answer), *_logged(expect, answer, log)]
        if found:
            yield from found
            yield f"the answer was {_shown(answer)}"
            return
    workloads = Counter(answer.workload or "nobody" for answer in answers)
    if expect.same_workload and len(workloads) > 1:
        yield f"not one workload answered, but {dict(workloads)}"
    for name, bounds in expect.shares.items():
        share = 100 * workloads[name] / len(answers)
        if not bounds[0] <= share <= bounds[1]:
            yield f"{share:g} % of the answers came from {name}, not {_range(bounds)}; {dict(workloads)}"
    statuses = Counter(answer.status for answer in answers)
    for status, bounds in expect.statuses.items():
        if not bounds[0] <= statuses[status] <= bounds[1]:
            yield f"{statuses[status]} answers had status {status}, not {_range(bounds)}; {dict(statuses)}"


def _differences(expect: Expect, answer: Answer) -> Iterator[str]:
    if expect.closed != answer.closed:
        yield f"the connection was closed: {answer.why}" if answer.closed else "the connection was not closed"
    if expect.status is not None and answer.status != expect.status:
        yield f"status {answer.status}, not {expect.status}"
    if expect.body is not None and expect.body not in answer.body:
        yield f"no {expect.body!r} in the body"
    if expect.answered_by is not None and answer.workload != expect.answered_by:
        yield f"{answer.workload or 'nobody'} answered, not {expect.answered_by}"
    yield from _headers("the answer", expect.headers, answer.headers)
    if expect.upstream is not None:
        yield from _upstream(expect.upstream, answer)
    if expect.took is not None:
        below = expect.took.below
        if answer.took_s < expect.took.at_least or (below is not None and answer.took_s >= below):
            yield f"it took {answer.took_s:.2f} s, not at least {expect.took.at_least} and below {below}"


def _upstream(expect: Upstream, answer: Answer) -> Iterator[str]:
    if not answer.echo:
        yield "no workload was reached"
        return
    for name in ("method", "path", "port", "body"):
        wanted, found = getattr(expect, name), answer.echo[name]
        if wanted is not None and found != wanted:
            yield f"the {name} that reached the workload was {found!r}, not {wanted!r}"
    yield from _headers("what reached the workload", expect.headers, answer.echo["headers"])


def _headers(whose: str, expect: Mapping[str, str | None], found: Mapping[str, str]) -> Iterator[str]:
    for name, wanted in expect.items():
        value = found.get(name.lower())
        if not _fits(wanted, value):
            yield f"header {name} of {whose} was {value!r}, not {wanted!r}"


def _fits(wanted: str | None, value: str | None) -> bool:
    if wanted is None or value is None:
        return wanted is None and value is None
    return re.fullmatch(wanted[1:], value) is not None if wanted.startswith("~") else wanted == value


def _logged(expect: Expect, answer: Answer, log: ReadLog) -> Iterator[str]:
    for wanted, proxy in ((expect.log, answer.proxy), (expect.server_log, answer.workload)):
        if wanted is None:
            continue
        line = log(proxy, answer.agent)
        for name in Log.__struct_fields__:
            value = getattr(wanted, name)
            if value is not None and not _fits(value, line.get(name)):
                yield f"{name} in the log of {proxy} was {line.get(name)!r}, not {value!r}"


def _range(bounds: Bounds) -> str:
    return f"{bounds[0]:g} to {bounds[1]:g}"


def _shown(answer: Answer) -> str:
    if answer.closed:
        return f"none: {answer.why}"
    return f"{answer.status} {dict(answer.headers)} {answer.body}"[:LONGEST]
