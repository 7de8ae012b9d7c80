"""The open loop as a program of its own, so that nothing but sending happens in it.

    python -m loadtest.open_loop_main < stretches > lines

Its first line of input is Options, each further one a Stretch; it ends with its input. It writes a Line a
second: the first with the event `ready`, and one with `done` behind each stretch. Exit code 2 and a sentence:
it cannot begin.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from contextlib import suppress
from typing import Annotated

import msgspec
import uvloop
from msgspec import Meta

from loadtest import refusal, targets
from loadtest.accounts import NotLetIn, dice_of
from loadtest.mix import Mix
from loadtest.open_loop import Sender, session
from loadtest.shapes import SHAPES
from loadtest.tally import Line
from loadtest.tracing import Tracing

LINE_EVERY_S = 1.0
MAX_RATE = 20_000.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how; `ca` and `source` may be empty."""

    host: str
    mix: Mix
    ca: str = ""
    source: str = ""
    accounts: Annotated[int, Meta(ge=1)] = 20
    seed: int = 1
    traced: Annotated[float, Meta(ge=0, le=1)] = 0.0
    owned: bool = False


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rate` requests a second at most, for so long, in this shape."""

    rate: Annotated[float, Meta(gt=0, le=MAX_RATE)]
    seconds: Annotated[float, Meta(gt=0)]
    shape: str = "steady"


def write(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def lines(sender: Sender) -> None:
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        write(sender.recorder.take(time.time(), len(sender.pending)))


async def stretch(sender: Sender, wanted: Stretch, mix: Mix) -> None:
    """One stretch, with all its answers."""
    counting = asyncio.create_task(lines(sender))
    keeping = asyncio.create_task(sender.keep_signed_in())
    shape = SHAPES[wanted.shape]

    def rate(elapsed_s: float) -> float:
        return wanted.rate * shape(min(1.0, elapsed_s / wanted.seconds))

    try:
        await sender.run(mix.request_shares(), rate, wanted.seconds)
        await sender.drain()
    finally:
        for task in (counting, keeping):
            task.cancel()
    write(sender.recorder.take(time.time(), 0, "done"))


async def main(options: Options) -> None:
    trust = ssl.create_default_context(cafile=options.ca) if options.ca else None
    loop = asyncio.get_running_loop()
    async with session(options.host, trust, options.source or None) as client:
        sender = Sender(client, options.host, Tracing(options.traced), dice_of(options.seed, 0))
        await sender.enter(options.accounts)
        write(sender.recorder.take(time.time(), 0, "ready"))
        while text := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            await stretch(sender, msgspec.json.decode(text, type=Stretch), options.mix)


def begin() -> int:
    """The exit code."""
    try:
        options = msgspec.json.decode(sys.stdin.buffer.readline(), type=Options)
        targets.check(options.host, owned=options.owned)
        with suppress(BrokenPipeError):
            uvloop.run(main(options))
    except (msgspec.MsgspecError, targets.Refused, NotLetIn, OSError) as error:
        refusal.say(str(error))
        return refusal.CANNOT_BEGIN
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(begin())
