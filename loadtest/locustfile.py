"""The closed loop: locust's users, each of whom thinks, asks, waits for the answer, and thinks again.

    locust -f loadtest/locustfile.py --host https://127.0.0.1:8443 --ca ca.pem -u 50 -t 60s --headless

`delinkcious load run` starts it so; masters and workers on other machines work as with any locustfile.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from locust import FastHttpUser, LoadTestShape, events, task
from locust.runners import MasterRunner, Runner, WorkerRunner

from loadtest import refusal, targets
from loadtest.accounts import NotLetIn
from loadtest.exchange import Answer, Request
from loadtest.journeys import JOURNEYS
from loadtest.mix import OWN, InvalidMix
from loadtest.shapes import SHAPES, users_at
from loadtest.site import TIMEOUT_S, Site, exchange
from loadtest.tally import Sample

LINE_EVERY_S = 1.0
ENTERED_WITHIN_S = 300.0
# Without --run-time, as from the web page of a master.
LASTS_S = 3600.0

# Users of a worker may be asked for before it is signed in: they wait for this.
SITE = AsyncResult()
# Set when this process, or all workers of this master, are signed in.
ENTERED = Event()
FAILED = Event()
ENTERED_MESSAGE, FAILED_MESSAGE = "entered", "cannot enter"


class Person(FastHttpUser):
    """One of many; what they do is dealt out by the weights of the mix."""

    insecure = False
    network_timeout = connection_timeout = TIMEOUT_S

    def __init__(self, environment: Any) -> None:
        self.site: Site = SITE.get()
        self.client_pool = self.site.pool()
        super().__init__(environment)
        self.kind = next(self.site.kinds)
        self.dice = random.Random(self.site.dice.random())  # noqa: S311 - example data

    def wait_time(self) -> float:
        """Between journeys as between the requests of one."""
        return self.site.mix.think_s(self.kind, self.dice)

    def on_start(self) -> None:
        # Else all of them would begin in the same moment. Who comes upon somebody thinking waits as long as
        # from the beginning: exponential times have no memory.
        self.wait()  # type: ignore[no-untyped-call]

    @task
    def live(self) -> None:
        """One journey."""
        journey = JOURNEYS[self.kind](self.site.around.somebody(self.dice), self.site.around, self.dice)
        request = next(journey)
        while True:
            answer = self.ask(request)
            if not answer.ok:
                journey.close()
                return
            try:
                request = journey.send(answer)
            except StopIteration:
                return
            self.wait()  # type: ignore[no-untyped-call]

    def ask(self, request: Request) -> Answer:
        """Send and count it."""
        headers, trace_id, traced = self.site.tracing.of(self.dice)
        at, began = time.time(), time.perf_counter()
        answer, outcome = exchange(self.client, request, headers)
        took = time.perf_counter() - began
        sample = Sample(self.kind, request.name, at, took, outcome, answer.ok, trace_id, 0.0, traced)
        self.site.recorder.add(sample)
        return answer


class Shape(LoadTestShape):
    """How many users there are at a time."""

    use_common_options = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.began = 0.0

    def reset_time(self) -> None:
        """Begin anew: locust says when."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self.began = 0.0

    def tick(self) -> tuple[int, float] | None:
        if not self.began:
            if not ENTERED.wait(ENTERED_WITHIN_S) and self.runner:
                fail(self.runner, f"not every worker has signed in within {ENTERED_WITHIN_S:g} s")
            if FAILED.is_set():
                return None
            self.began = time.monotonic()
        options: Any = self.runner.environment.parsed_options if self.runner else None
        lasts_s = float(options.run_time or LASTS_S)
        most = int(options.num_users or 1)
        users = users_at(options.shape, time.monotonic() - self.began, lasts_s, most)
        return None if users is None else (users, float(most))


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Ours beside locust's own."""

    def add(name: str, **options: Any) -> None:
        parser.add_argument(name, include_in_web_ui=False, **options)

    add("--shape", choices=list(SHAPES), default="steady", help="How the load changes over the time.")
    add("--mix", default=str(OWN), help="Weights and think times (YAML).")
    add("--accounts", type=int, default=20, help="Accounts to make, over all processes.")
    add("--seed", type=int, default=1, help="Another number, other chance.")
    add("--traced", type=float, default=0.0, help="The share of requests that is forced to be traced.")
    add("--source", default="", help="The address of this machine to come from.")
    add("--ca", default="", help="The certificate to trust.")
    add("--record", default="", help="A folder for what is counted, a line a second.")
    add(targets.OWNED, dest="owned", action="store_true", help="The target is no other's.")


@events.init.add_listener
def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Judge the target, sign in, and begin to write lines; a master sends nothing itself."""
    options = environment.parsed_options
    options.host = options.host or environment.host
    try:
        targets.check(options.host or "", owned=options.owned)
        if isinstance(runner, MasterRunner):
            count_workers(runner, options.expect_workers or 1)
            return
        site = Site(options, max(1, options.processes or 1), os.getpid())
    except (targets.Refused, InvalidMix, NotLetIn, OSError) as error:
        if isinstance(runner, WorkerRunner):
            runner.send_message(FAILED_MESSAGE, {"why": str(error)})
        refusal.say(str(error))
        raise SystemExit(refusal.CANNOT_BEGIN) from None
    SITE.set(site)
    ENTERED.set()
    if isinstance(runner, WorkerRunner):
        runner.send_message(ENTERED_MESSAGE)
    gevent.spawn(site.keep_signed_in)
    if options.record:
        write_line(Path(options.record), runner, "ready")
        gevent.spawn(write_lines, Path(options.record), runner)


def count_workers(runner: MasterRunner, expected: int) -> None:
    """Let the load begin when so many have signed in: its time is not to be spent on that."""
    entered: list[object] = []

    def heard(**said: Any) -> None:
        entered.append(said)
        if len(entered) >= expected:
            ENTERED.set()

    def failed(msg: Any, **_: Any) -> None:
        fail(runner, str(msg.data["why"]))

    runner.register_message(ENTERED_MESSAGE, heard)
    runner.register_message(FAILED_MESSAGE, failed)


def fail(runner: Runner, sentence: str) -> None:
    """Let the load end before it begins, for this reason."""
    refusal.say(sentence)
    runner.environment.process_exit_code = refusal.CANNOT_BEGIN
    FAILED.set()
    ENTERED.set()


def write_lines(folder: Path, runner: Any) -> None:
    while True:
        gevent.sleep(LINE_EVERY_S)
        write_line(folder, runner)


def write_line(folder: Path, runner: Any, event: str = "") -> None:
    line = SITE.get().recorder.take(time.time(), runner.user_count, event)
    with (folder / f"{os.getpid()}.jsonl").open("ab") as stream:
        stream.write(msgspec.json.encode(line) + b"\n")


@events.quitting.add_listener
def end(environment: Any, **_: Any) -> None:
    """The last line: nothing that was counted is lost."""
    if SITE.ready() and environment.parsed_options.record:
        write_line(Path(environment.parsed_options.record), environment.runner, "done")
