"""What has to be so before a move: asked of people, web hooks, Prometheus and the clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp
import msgspec

from mesh.canary.runs.fields import Gate, Manual, Moment, Query, Webhook, Window
from mesh.canary.runs.rollout import InvalidRollout, told
from mesh.canary.runs.run import Run

QUERY_TIMEOUT = aiohttp.ClientTimeout(total=10)
MAX_ANSWER_BYTES = 2**20


@dataclass(frozen=True)
class Answer:
    open: bool
    why: str = ""


class _Result(msgspec.Struct):
    value: tuple[float, str]


class _Data(msgspec.Struct, tag_field="resultType", tag="vector"):
    result: list[_Result]


class _Answer(msgspec.Struct):
    data: _Data


class Gates:
    """Asks gates. An answer that does not come is a closed gate, never an error."""

    def __init__(
        self, client: aiohttp.ClientSession, prometheus: str | None, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._prometheus = prometheus
        self._now = now

    async def ask(self, gate: Gate, run: Run, moment: Moment) -> Answer:
        """Whether it is open now, and why not."""
        match gate:
            case Manual():
                word = f"waits for delinkcious canary approve {run.spec.service} {gate.name}"
                return Answer(gate.name in run.approved, word)
            case Window():
                return within(gate, self._now())
            case Webhook():
                return await self._hook(gate, run, moment)
            case Query():
                return await self._query(gate)

    async def _hook(self, gate: Webhook, run: Run, moment: Moment) -> Answer:
        body = {
            "run": run.began.run,
            "service": run.spec.service,
            "namespace": run.began.rollout.metadata.namespace,
            "gate": gate.name,
            "moment": moment,
            "revision": run.began.revision,
            "percent": run.percent,
            "requests": run.totals[1].requests,
            "errors": run.totals[1].errors,
        }
        timeout = aiohttp.ClientTimeout(total=gate.timeout_s)
        try:
            async with self._client.post(
                gate.url, json=body, timeout=timeout, allow_redirects=False
            ) as answer:
                return Answer(200 <= answer.status < 300, f"{told(gate.url)} answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(False, f"{told(gate.url)} does not answer: {type(error).__name__}")

    async def _query(self, gate: Query) -> Answer:
        if self._prometheus is None:
            return Answer(False, "there is no Prometheus to ask")
        url = f"{self._prometheus}/api/v1/query"
        try:
            async with self._client.post(
                url, data={"query": gate.expression}, timeout=QUERY_TIMEOUT
            ) as answer:
                body = bytearray()
                async for piece in answer.content.iter_chunked(64 * 1024):
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        return Answer(False, f"the query of gate {gate.name} gives too much")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(False, f"Prometheus does not answer: {type(error).__name__}")
        if answer.status != 200:
            return Answer(False, f"Prometheus refuses the query of gate {gate.name} ({answer.status})")
        try:
            found = [float(each.value[1]) for each in msgspec.json.decode(body, type=_Answer).data.result]
        except (msgspec.MsgspecError, ValueError):
            return Answer(False, f"the query of gate {gate.name} gives no vector of numbers")
        if not found:
            return Answer(False, f"the query of gate {gate.name} has no result")
        if any(math.isnan(value) for value in found):
            return Answer(False, f"{gate.expression} is no number")
        return Answer(all(found), f"{gate.expression} is 0")


def judge_zones(gates: tuple[Gate, ...]) -> None:
    """Raises InvalidRollout for a time zone that this machine does not know."""
    for number, gate in enumerate(gates):
        if isinstance(gate, Window):
            try:
                ZoneInfo(gate.time_zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise InvalidRollout(
                    f"spec.gates[{number}].timeZone: {gate.time_zone!r} is no time zone"
                ) from None


def within(gate: Window, now: datetime) -> Answer:
    """Whether a time lies in the window."""
    here = now.astimezone(ZoneInfo(gate.time_zone))
    day, time = f"{here:%a}", f"{here:%H:%M}"
    if gate.from_ <= gate.until:
        inside = day in gate.days and gate.from_ <= time < gate.until
    else:  # over midnight: the day is the one it began on
        before = f"{here.fromtimestamp(here.timestamp() - 86_400, here.tzinfo):%a}"
        inside = (day in gate.days and time >= gate.from_) or (before in gate.days and time < gate.until)
    return Answer(inside, f"opens {', '.join(gate.days)} at {gate.from_} {gate.time_zone}")
