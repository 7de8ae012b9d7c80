"""Background traffic: the open loop at one rate until SIGTERM, for a rollout that has no traffic of its own.

    python -m loadtest.background --host https://127.0.0.1:8443 --secret FOLDER --rps 20

The same few accounts come back at every start, and the links that they keep are bounded, so that days of it
leave no more than the first hour. A server that is away is waited for. The folder is a Secret: `password`, of
which names and passwords of the accounts are made; where they are needed, `ca.crt` to trust, and `host`
instead of --host. Exit code 2 and a sentence: it cannot begin.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from loadtest import accounts, refusal, targets, world
from loadtest.accounts import Account, NotLetIn, dice_of
from loadtest.mix import BACKGROUND, InvalidMix, Mix, load_mix
from loadtest.open_loop import LOOK_EVERY_S, Sender, session
from loadtest.tally import Line
from loadtest.tracing import Tracing
from loadtest.world import World

SERVICE = "canary-load"  # as its lines and its workload are named
POD = os.environ.get("POD_NAME", "")  # noqa: TID251 - a program of its own, no service
# After so long its clock begins anew and a line is written: what it slept through is not caught up with.
STRETCH_S = 30.0
MIN_PASSWORD = 16
MAX_RATE = 200.0


@dataclass(frozen=True)
class Person:
    """An account that comes back, with its secret."""

    account: Account
    password: str
    begin_with: str


@dataclass(frozen=True)
class Target:
    """Whom it is sent to, and as whom."""

    host: str
    ca: Path | None
    people: tuple[Person, ...]


def target(host: str, folder: Path, count: int) -> Target:
    """What the Secret in a folder says. Raises Refused, OSError."""
    password = (folder / "password").read_text().strip()
    if len(password) < MIN_PASSWORD:
        raise targets.Refused(f"the Secret's password has less than {MIN_PASSWORD} characters")
    ca = folder / "ca.crt"
    people = tuple(person(password, number) for number in range(count))
    return Target(host or (folder / "host").read_text().strip(), ca if ca.exists() else None, people)


def person(password: str, number: int) -> Person:
    """The one with this number: the same for the same password, and not to be guessed without it."""

    def made(what: str) -> str:
        return hmac.new(password.encode(), f"{what} {number}".encode(), hashlib.sha256).hexdigest()

    begin_with = world.bookmark_file(dice_of(1, number))
    return Person(Account(f"load-{made('name')[:12]}", "", "", 0.0), made("password")[:40], begin_with)


class Background:
    """Sends as these people, for ever."""

    def __init__(self, sender: Sender, people: tuple[Person, ...], mix: Mix, rate: float) -> None:
        self._sender = sender
        self._people = people
        self._mix = mix
        self._rate = rate
        sender.around = World([person.account for person in people])

    async def run(self) -> None:
        """Until cancelled."""
        while not all([await self._signed_in(person) for person in self._people]):  # noqa: ASYNC110 - none tells
            await asyncio.sleep(LOOK_EVERY_S)
        say("info", "ready", accounts=len(self._people))
        keeping = asyncio.create_task(self._keep_signed_in())
        try:
            while True:
                await self._sender.run(self._mix.request_shares(), lambda _: self._rate, STRETCH_S)
                self.tell()
        finally:
            keeping.cancel()

    def tell(self) -> None:
        """What was sent since the last time."""
        counted(self._sender.recorder.take(time.time(), 0))

    async def _keep_signed_in(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for person in self._people:
                await self._signed_in(person)

    async def _signed_in(self, person: Person) -> bool:
        """Whether its token is good; it is renewed before it ends, and by password after its session has."""
        account = person.account
        try:
            if account.is_due(time.time()):
                await self._sender.through(
                    accounts.renew(account)
                    if account.refresh_token
                    else accounts.come_back(account, person.password, person.begin_with)
                )
        except NotLetIn as error:
            say("warning", "not signed in", error=str(error))
            if time.time() >= account.expires_at:
                account.refresh_token = ""
        return time.time() < account.expires_at


def counted(line: Line) -> None:
    """Say what a stretch came to: few fields, however many requests."""
    failed: dict[str, int] = {}
    sent = 0
    for _, _, row in line.rows:
        sent += row.count
        for outcome, number in row.errors.items():
            failed[outcome] = failed.get(outcome, 0) + number
    say("warning" if failed else "info", "sent", requests=sent, failed=failed, late_s=round(line.late_s, 3))


def say(level: str, event: str, **more: Any) -> None:
    """A line by the schema of docs/logs.md."""
    line: dict[str, Any] = {"time": datetime.now(UTC), "level": level, "event": event, "service": SERVICE}
    if POD:
        line["pod"] = POD
    line |= more
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def send(where: Target, mix: Mix, rate: float) -> None:
    """Until SIGTERM or Ctrl-C; then what is on its way comes back: services would be blamed for its end."""
    trust = ssl.create_default_context(cafile=where.ca) if where.ca else None
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with session(where.host, trust, None) as client:
        sender = Sender(client, where.host, Tracing(0.0), dice_of(time.time_ns(), 0))
        background = Background(sender, where.people, mix, rate)
        running, stopping = asyncio.create_task(background.run()), asyncio.create_task(stopped.wait())
        await asyncio.wait([running, stopping], return_when="FIRST_COMPLETED")
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await sender.drain()
        background.tell()
    say("info", "stopped")


@click.command()
@click.option("--host", default="", help="The server [default: the Secret's `host`]")
@click.option("--secret", type=click.Path(path_type=Path), required=True, help="The folder of its Secret.")
@click.option("--rps", type=click.FloatRange(0.1, MAX_RATE), default=20.0, show_default=True)
@click.option("--accounts", "count", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option(targets.OWNED, "owned", is_flag=True, help="The target is no other's.")
def main(host: str, secret: Path, rps: float, count: int, owned: bool) -> None:
    """Send what a few people do, at one rate, until told to stop."""
    try:
        where = target(host, secret, count)
        targets.check(where.host, owned=owned)
        mix = load_mix(BACKGROUND)
    except (targets.Refused, InvalidMix, OSError) as error:
        refusal.say(str(error))
        sys.exit(refusal.CANNOT_BEGIN)
    uvloop.run(send(where, mix, rps))


if __name__ == "__main__":
    main()
