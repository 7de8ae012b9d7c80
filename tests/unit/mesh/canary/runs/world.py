"""A service with two versions whose requests are drawn by numpy, a platform in memory, a clock of its own.

What a run does to it is real: the same conductor, journal and decision; only pods and proxies are numbers.
Any call may be made the last one of its process.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mesh.canary.model import ArmSample, PodSample
from mesh.canary.platform import Away, Conflict, NotFound, PlatformError, Pod, Stored
from mesh.canary.runs import starting
from mesh.canary.runs.conductor import Conductor
from mesh.canary.runs.fields import Gate, Moment
from mesh.canary.runs.folder import Folder, Said
from mesh.canary.runs.gates import Answer
from mesh.canary.runs.hands import Around
from mesh.canary.runs.journal import Event, Journal, Verb, events
from mesh.canary.runs.rollout import Rollout, parse
from mesh.canary.runs.run import Run, fold
from mesh.canary.runs.traffic import NotASplit
from mesh.canary.signals import NoEvidence, Scrape

Json = dict[str, Any]
BEGAN_AT = 1_800_000_000.0
EDGES_MS = (100.0, 250.0)
START_S = 4.0


class Killed(BaseException):
    """The process ends here."""


def routes(stable: int = 100, canary: int = 0) -> Json:
    weights = {"v1": stable, "v2": canary}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "links-routes", "namespace": "app"},
        "spec": {
            "http": [
                {
                    "name": "split",
                    "route": [
                        {"destination": {"host": "links", "subset": subset}, "weight": weight}
                        for subset, weight in weights.items()
                    ],
                }
            ]
        },
    }


def deployment(name: str, version: str, replicas: int) -> Json:
    labels = {"app": "links", "version": version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "app", "labels": dict(labels)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {
                "metadata": {"labels": dict(labels)},
                "spec": {"containers": [{"name": "links", "image": "links:1"}]},
            },
        },
    }


def rollout(**spec: Any) -> Rollout:
    analysis = {"requestDispersion": 1, **spec.pop("analysis", {})}
    slo = {"latencyEdgesMs": list(EDGES_MS)}
    return parse(
        {
            "metadata": {"name": "links", "namespace": "app"},
            "spec": {"service": "links", "slo": slo, "analysis": analysis, **spec},
        }
    )


@dataclass
class World:
    """`error_rate(version, weight)` is what fails; `rps` may be changed while time goes on."""

    rps: float = 100.0
    error_rate: Callable[[str, float], float] = lambda _version, _weight: 0.001
    slow_rate: Callable[[str], float] = lambda _version: 0.05
    seed: int = 1
    now: float = BEGAN_AT
    body: Json = field(default_factory=routes)
    version: int = 1
    replicas: dict[str, int] = field(default_factory=lambda: {"links-v1": 3})
    made: dict[str, Json] = field(default_factory=lambda: {"links-v1": deployment("links-v1", "v1", 3)})
    ready_at: dict[str, float] = field(default_factory=lambda: {"links-v1": BEGAN_AT - 3600})
    starts_in_s: float = START_S
    never_ready: bool = False
    lost_split: bool = False
    away: bool = False
    silent: bool = False
    replaced: list[str] = field(default_factory=list)
    shares: list[tuple[float, int]] = field(default_factory=list)
    calls: int = 0
    killed_at: int | None = None
    open_gates: bool = True

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.pending = [nothing(), nothing()]
        self.read_at: float | None = None
        self.copies = Copies(self)

    def kills(self) -> bool:
        """Counts whatever a process may be cut off at."""
        self.calls += 1
        return self.calls == self.killed_at

    # What the conductor asks.

    def called(self) -> None:
        if self.kills():
            raise Killed
        if self.away:
            raise Away("the platform does not answer")

    async def virtual_service(self, name: str) -> Stored:
        self.called()
        assert name == "links-routes"
        return Stored(copy.deepcopy(self.body), str(self.version))

    async def write_virtual_service(self, body: Json, version: str) -> Stored:
        self.called()
        if version != str(self.version):
            raise Conflict("changed")
        self.body, self.version = copy.deepcopy(body), self.version + 1
        self.shares.append((self.now, self.canary_weight()))
        self.called()  # in force, and the process may end before it hears of it
        return Stored(copy.deepcopy(body), str(self.version))

    async def deployments(self, labels: Mapping[str, str]) -> list[Stored]:
        self.called()
        return [
            Stored(copy.deepcopy(body), "1")
            for body in self.made.values()
            if labels.items() <= body["spec"]["template"]["metadata"]["labels"].items()
        ]

    async def apply_deployment(self, body: Json) -> None:
        self.called()
        name = body["metadata"]["name"]
        self.made[name] = copy.deepcopy(body)
        self.replicas.setdefault(name, body["spec"]["replicas"])
        self.ready_at.setdefault(name, self.now + self.starts_in_s)

    async def scale(self, deployment: str, replicas: int) -> None:
        self.called()
        if deployment not in self.made:
            raise NotFound(f"deployment {deployment} not found")
        if replicas > self.replicas.get(deployment, 0):
            self.ready_at[deployment] = self.now + self.starts_in_s
        self.replicas[deployment] = replicas

    async def pods(self, labels: Mapping[str, str]) -> list[Pod]:
        self.called()
        return [
            Pod(f"{name}-{number}", name, *self._readiness(name), restarts=0)
            for name, body in self.made.items()
            if labels.items() <= body["spec"]["template"]["metadata"]["labels"].items()
            for number in range(self.replicas[name])
        ]

    async def replace_pod(self, name: str) -> None:
        self.called()
        self.replaced.append(name)

    async def scrape(self) -> Scrape | None:
        self.called()
        if self.silent:
            raise NoEvidence("Prometheus does not answer")
        since, self.read_at = self.read_at, self.now
        stable, canary = self.pending
        self.pending = [nothing(), nothing()]
        return None if since is None else Scrape(since, self.now, stable, canary)

    async def bounds_ms(self) -> tuple[float, ...]:
        return EDGES_MS

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        self.called()
        return [self.draw("v1", self.rps * scrape_s, 0.0, 3) for _ in range(720)]

    async def ask(self, gate: Gate, run: Run, moment: Moment) -> Answer:
        return Answer(self.open_gates or gate.name in run.approved, "closed")

    # What goes on meanwhile.

    def pass_by(self, length_s: float = 1.0) -> None:
        """Some traffic, split as the weights say."""
        weight = self.canary_weight() / 100
        for arm, (version, share) in enumerate((("v1", 1 - weight), ("v2", weight))):
            asked = self.rps * share * length_s
            if version == "v2" and self.lost_split:
                asked = 0.0
            pods = sum(
                self.replicas[name]
                for name, body in self.made.items()
                if body["spec"]["template"]["metadata"]["labels"]["version"] == version
            )
            drawn = self.draw(version, asked, weight, pods)
            self.pending[arm] = _sum(self.pending[arm], drawn)
        self.copies.pass_by(length_s)
        self.now += length_s

    def canary_weight(self) -> int:
        split = self.body["spec"]["http"][-1]["route"]
        found = [int(entry["weight"]) for entry in split if entry["destination"]["subset"] == "v2"]
        assert found, "no canary"
        return sum(found)

    def overwrite(self, percent: int) -> None:
        """A person sets other weights."""
        self.body = routes(100 - percent, percent)
        self.version += 1

    def _readiness(self, name: str) -> tuple[bool, float | None]:
        since = self.ready_at[name]
        ready = since <= self.now and not (self.never_ready and name != "links-v1")
        return ready, since if ready else None

    def draw(
        self,
        version: str,
        expected: float,
        weight: float,
        pods: int,
        random: np.random.Generator | None = None,
    ) -> ArmSample:
        random = random or self.random
        requests = int(random.poisson(expected))
        errors = int(random.binomial(requests, self.error_rate(version, weight)))
        slow = int(random.binomial(requests, self.slow_rate(version)))
        slower = int(random.binomial(slow, 0.2))
        if not pods:
            return ArmSample(requests, errors, (slow, slower))
        shares = random.multinomial(requests, [1 / pods] * pods)
        lucky = random.multivariate_hypergeometric([int(share) for share in shares], errors)
        named = {
            f"{version}-{number}": PodSample(int(share), int(bad))
            for number, (share, bad) in enumerate(zip(shares, lucky, strict=True))
        }
        return ArmSample(requests, errors, (slow, slower), named)


def nothing() -> ArmSample:
    return ArmSample(0, 0, (0,) * len(EDGES_MS))


def _sum(one: ArmSample, other: ArmSample) -> ArmSample:
    pods = dict(one.pods)
    for name, pod in other.pods.items():
        before = pods.get(name, PodSample(0, 0))
        pods[name] = PodSample(before.requests + pod.requests, before.errors + pod.errors)
    slow = tuple(a + b for a, b in zip(one.slow, other.slow, strict=True))
    return ArmSample(one.requests + other.requests, one.errors + other.errors, slow, pods)


class Copies:
    """What the pods themselves count of the requests that are copied, `reads` of all."""

    reads = 0.6

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = np.random.default_rng(world.seed + 1)
        self.pending = [nothing(), nothing()]
        self.read_at: float | None = None
        self.lost = False

    async def scrape(self) -> Scrape | None:
        self.world.called()
        since, self.read_at = self.read_at, self.world.now
        stable, canary = self.pending
        self.pending = [nothing(), nothing()]
        return None if since is None else Scrape(since, self.world.now, stable, canary)

    async def bounds_ms(self) -> tuple[float, ...]:
        return EDGES_MS

    async def history(self, span_s: float, scrape_s: float) -> list[ArmSample]:
        self.world.called()
        return [self._draw("v1", self.world.rps * self.reads * scrape_s, 3) for _ in range(720)]

    def pass_by(self, length_s: float) -> None:
        world = self.world
        asked = world.rps * self.reads * length_s
        self.pending[0] = _sum(self.pending[0], self._draw("v1", asked, 3))
        for route in world.body["spec"]["http"]:
            for mirror in route.get("mirrors") or []:
                copied = 0.0 if self.lost else asked * mirror["percentage"]["value"] / 100
                pods = world.replicas["links-v2-rollout"]
                self.pending[1] = _sum(self.pending[1], self._draw("v2", copied, pods))

    def _draw(self, version: str, expected: float, pods: int) -> ArmSample:
        return self.world.draw(version, expected, 0.0, pods, self.random)


class Driven:
    """A run in a folder, driven against a world; `restart` is another process that goes on."""

    clock_ahead_s = 0.0

    def __init__(self, folder: Path, world: World, asked: Rollout) -> None:
        self.folder, self.world = Folder(folder), world
        changes = starting.Changes(sets=("env.SEARCH_RANK=bm25",))
        beginning = starting.begin(world, asked, changes, run="20270115-080000-0000", by="ada", at=world.now)
        self.path = self.folder.begin(asyncio.run(beginning))
        self.restart()

    def restart(self) -> None:
        self.run = fold(events(self.path))
        journal = Journal(self.path)

        world, folder = self.world, self.folder

        def record(event: Event) -> None:
            journal.append(event)
            if world.kills():
                raise Killed  # written down, and nothing has followed from it

        def clock() -> float:
            return world.now + self.clock_ahead_s

        def steady() -> float:
            return world.now

        said = partial(folder.said, self.path)
        self.conductor = Conductor(
            self.run, Around(world, world, world.copies, world, clock, steady, record, said)
        )

    def say(self, verb: Verb, gate: str = "") -> None:
        self.folder.say(self.path, Said(verb=verb, by="ada", gate=gate))

    def second(self) -> None:
        """A look, then a second of traffic; a process that is killed is followed by another."""
        try:
            asyncio.run(self._turn())
        except Killed:
            self.restart()
        self.world.pass_by()

    async def _turn(self) -> None:
        with contextlib.suppress(PlatformError, NotASplit):
            await self.conductor.turn()

    def until(self, reached: Callable[[Run], bool], within_s: int = 7200) -> Run:
        for _ in range(within_s):
            if reached(self.run):
                return self.run
            self.second()
        raise AssertionError(
            f"not within {within_s} s: {self.run.stage}, {self.run.why}, {self.run.decision}"
        )

    def to_the_end(self, within_s: int = 7200) -> Run:
        return self.until(lambda run: run.ended, within_s)
