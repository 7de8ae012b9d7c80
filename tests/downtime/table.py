"""Every row of the table: what happens, what is set up around it, and why it may not be zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from tests.downtime import events, procedures, release
from tests.downtime.load import RATE
from tests.downtime.rows import Row, measure
from tests.e2e.installation import Installation

Around = Callable[[Installation], AbstractContextManager[object]]
Event = Callable[[Installation], object]

SERVING = ("users", "links", "social-graph", "news", "web")

ALONE = "the only replica's sidecar is away until it is started again: nobody else can answer"

QUEUED = "a listening socket that closes resets who has connected and is not accepted yet (tcp_migrate_req=0)"
BROKEN = "a client's connection ends with its gateway, and nobody behind it can send the request again"


@dataclass(frozen=True)
class Case:
    """What happens (`event`), within what (`around`).

    `reason` is why requests may fail, empty if none may, and `allowed` which share of them.
    """

    name: str
    event: Event
    around: Around = lambda _: nullcontext()
    reason: str = ""
    allowed: float = 1.0
    saves_again: bool = False

    def holds(self, row: Row) -> bool:
        """Whether nothing failed that may not, and no acknowledged save is lost or doubled."""
        allowed = self.allowed * row.sent if self.reason else 0
        return row.failed <= allowed and row.lost == row.doubled == 0

    def row(self, installation: Installation, rate: float = RATE) -> Row:
        """Let it happen under so many requests a second, and count."""
        with self.around(installation):
            return measure(
                installation,
                self.name,
                lambda: self.event(installation),
                saves_again=self.saves_again,
                rate=rate,
                reason=self.reason,
            )


def two(*workloads: str) -> Around:
    """Two pods of each."""

    @contextmanager
    def around(installation: Installation) -> Iterator[None]:
        with ExitStack() as stack:
            for workload in workloads:
                stack.enter_context(events.replicas(installation, workload, 2))
            yield

    return around


@contextmanager
def newer(installation: Installation) -> Iterator[None]:
    """A pod of v2 of `links` beside the one of v1."""
    events.scale(installation, "links-v2", 1)
    try:
        yield
    finally:
        events.scale(installation, "links-v2", 0)


def migration(installation: Installation) -> None:
    release.roll_out(release.Release(installation, installation.folder / "next"))
    brought = release.filled(installation)
    assert brought == release.LINKS, f"{brought} of {release.LINKS} rows were brought over"


@contextmanager
def next_release(installation: Installation) -> Iterator[None]:
    """The next release is there to be rolled out; afterwards everything is as it was."""
    original = events.policy_of(installation, "links").original
    release.fill(installation)
    prepared = release.prepared(installation)
    try:
        yield
    finally:
        release.undo(prepared, original)


def restarting(workload: str) -> Event:
    return lambda installation: events.restart(installation, workload)


def scaling(workload: str, *counts: int) -> Event:
    return lambda installation: events.scale(installation, workload, *counts)


def killing_sidecars(workload: str) -> Event:
    return lambda installation: events.kill_sidecars(installation, workload)


CASES: Sequence[Case] = (
    *(Case(f"rolling restart of {name}", restarting(f"{name}-v1")) for name in procedures.SERVICES),
    Case("rolling restart of links, 2 replicas", restarting("links-v1"), two("links-v1")),
    Case("rolling restart of the ingress gateway", restarting(events.GATEWAY), reason=QUEUED, allowed=0.02),
    *(
        Case(
            f"kill -9 of the sidecars of {name}, 2 replicas",
            killing_sidecars(f"{name}-v1"),
            two(f"{name}-v1"),
        )
        for name in SERVING
    ),
    *(
        Case(f"kill -9 of the sidecar of {name}, 1 replica", killing_sidecars(f"{name}-v1"), reason=ALONE)
        for name in SERVING
    ),
    Case(
        "kill -9 of the ingress gateways, 2 replicas",
        killing_sidecars(events.GATEWAY),
        two(events.GATEWAY),
        BROKEN,
    ),
    Case("kill -9 of the ingress gateway, 1 replica", killing_sidecars(events.GATEWAY), reason=BROKEN),
    Case(f"{events.EDITS} edits of a VirtualService", events.edit_weights, newer),
    Case(f"{events.ROTATIONS} rotations of all certificates", events.rotate_certificates),
    Case("canary of links promoted, and rolled back", events.canary),
    Case("rolling update of links, and its undoing", procedures.update_and_undo, procedures.two_pods),
    Case("broken update of links, undone", procedures.undo_a_broken_update, procedures.two_pods),
    Case("service token rotated, there and back", procedures.rotate_service_token),
    Case("blue/green of links, there and back", procedures.blue_green),
    Case("links scaled 1, 5, 1", scaling("links-v1", 5, 1)),
    Case("column renamed: pre_, two releases at once, post_", migration, next_release),
    Case(
        "restart of PostgreSQL",
        events.restart_postgres,
        saves_again=True,
        reason="one PostgreSQL: nobody else can answer while it restarts",
    ),
)
