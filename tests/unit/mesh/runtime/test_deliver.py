"""What a delivery counts, writes and says, on an Envoy whose every turn is scripted."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.local import files
from mesh.local.model import Snapshot
from mesh.local.runtime import deliver, refusal
from mesh.local.runtime.admin import Admin, AdminUnreachable, Status
from mesh.local.runtime.deliver import Delivery, Effect
from mesh.local.runtime.errors import DeliveryFailed, NotWritten, Unanswered
from mesh.local.runtime.state import write_atomically

pytestmark = pytest.mark.anyio
BAD = {"name": "a", "virtual_hosts": "broken"}
GOOD = {"name": "a", "virtual_hosts": "good"}


class Scripted(Admin):
    """Reads the files of its folder whenever it is asked, and refuses those that hold `broken`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: dict[str, bytes] = {}
        self.seen: dict[str, bytes] = {}
        self.rejected = 0
        self.warming: list[int] = []  # at the next looks
        self.on_taken: Callable[[str], None] = lambda _: None
        self.on_refusal: Callable[[], None] = lambda: None
        self.answers = True
        self.on_silence: Callable[[], object] = lambda: None

    async def versions(self) -> frozenset[str]:
        self._look()
        return frozenset(files.version(content) for content in self.taken.values())

    async def status(self) -> Status:
        self._look()
        warming = self.warming.pop(0) if self.warming else 0
        return Status(await self.versions(), self.rejected, warming, 0)

    def _look(self) -> None:
        if not self.answers:
            self.on_silence()
            raise AdminUnreachable("does not answer")
        for file in sorted(self.folder.rglob("*.json")):  # clusters come first
            name, content = str(file.relative_to(self.folder)), file.read_bytes()
            if self.seen.get(name) != content:
                self.seen[name] = content
                if b"broken" not in content:
                    self.taken[name] = content
                    self.on_taken(name)
                else:
                    self.rejected += 1
                    self.on_refusal()


class Bench:
    """A delivery beside its scripted Envoy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.envoy = Scripted(folder)
        self.delivery = Delivery(folder, self.envoy, folder / "log")
        self.delivery.prepare(_snapshot())
        self.delivery.began()

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(deliver, "ENDED_WITHIN_S", 0.0)
    return Bench(tmp_path)


def _snapshot(**routes: object) -> Snapshot:
    tables = {name: {"name": name, "virtual_hosts": hosts} for name, hosts in routes.items()}
    return Snapshot({}, {}, {"l": {"name": "l"}}, {"a": GOOD, "b": {"name": "b"}, **tables})


def _with_cluster(snapshot: Snapshot) -> Snapshot:
    return Snapshot({"c": {"name": "c"}}, {}, snapshot.listeners, snapshot.routes)


async def test_a_refusal_is_told_and_the_files_are_as_before(bench: Bench) -> None:
    before = bench.content(files.routes("a"))
    with pytest.raises(DeliveryFailed, match="refused it"):
        await bench.delivery.deliver(_snapshot(a="broken"))
    assert bench.content(files.routes("a")) == before


async def test_a_refusal_that_was_counted_late_is_not_held_against_the_next_edit(bench: Bench) -> None:
    with pytest.raises(DeliveryFailed, match="refused it"):
        await bench.delivery.deliver(_snapshot(a="broken"))
    bench.envoy.rejected += 1  # of another file of the same edit
    await bench.delivery.deliver(_snapshot(a="next"))  # routes are taken without a look at the counters
    bench.envoy.warming = [1, 1]
    assert await bench.delivery.deliver(_with_cluster(_snapshot(a="next"))) is Effect.EFFECTIVE


async def test_a_cluster_outlives_the_routes_to_it_when_an_edit_is_taken_back(bench: Bench) -> None:
    refused = _with_cluster(_snapshot(a="to the cluster", b="broken"))
    gaps = []

    def watch(name: str) -> None:
        if b"to the cluster" in bench.envoy.taken.get(files.routes("a"), b""):
            gaps.append(b'"c"' not in bench.envoy.taken[files.CLUSTERS])

    bench.envoy.on_taken = watch
    with pytest.raises(DeliveryFailed, match="refused it"):
        await bench.delivery.deliver(refused)
    await bench.envoy.versions()
    assert gaps
    assert not any(gaps)
    assert b'"c"' not in bench.content(files.CLUSTERS)
    assert b"good" in bench.envoy.taken[files.routes("a")]


async def test_what_a_full_disk_left_behind_goes_with_the_next_edit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.content(files.routes("a"))

    def full(*_: object) -> None:
        raise NotWritten(os.strerror(errno.ENOSPC))

    bench.envoy.on_refusal = lambda: monkeypatch.setattr(deliver, "write_atomically", full)
    with pytest.raises(DeliveryFailed):
        await bench.delivery.deliver(_snapshot(a="broken"))
    assert b"broken" in bench.content(files.routes("a"))
    monkeypatch.setattr(deliver, "write_atomically", write_atomically)
    await bench.delivery.deliver(_snapshot(b="other"))
    assert bench.content(files.routes("a")) == before


async def test_an_envoy_that_neither_answers_nor_ends_is_worth_another_try(bench: Bench) -> None:
    before = bench.content(files.routes("a"))
    bench.envoy.answers = False
    with pytest.raises(Unanswered):
        await bench.delivery.deliver(_snapshot(a="next"))
    assert bench.content(files.routes("a")) == before
    bench.envoy.answers = True
    assert await bench.delivery.deliver(_snapshot(a="next")) is Effect.EFFECTIVE


async def test_an_envoy_that_ends_meanwhile_leaves_the_files_to_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "ENDED_WITHIN_S", 60.0)
    bench.envoy.answers = False
    bench.envoy.on_silence = lambda: asyncio.get_running_loop().call_soon(bench.delivery.died)
    assert await bench.delivery.deliver(_snapshot(a="next")) is Effect.UNREAD
    assert b"next" in bench.content(files.routes("a"))
    bench.envoy.answers = True
    assert await bench.delivery.settled(lambda: True)


async def test_an_envoy_that_is_not_expected_any_more_is_not_waited_for(bench: Bench) -> None:
    bench.delivery.ended()
    bench.envoy.answers = False
    assert not await bench.delivery.settled(lambda: False)


async def test_a_starting_envoy_that_refused_before_is_judged_by_what_comes_now(bench: Bench) -> None:
    bench.delivery.ended()
    await bench.delivery.deliver(_snapshot(a="broken"))
    with pytest.raises(DeliveryFailed, match="refused it"):
        await bench.delivery.settled(lambda: True)
    assert await bench.delivery.deliver(_snapshot()) is Effect.UNREAD
    assert await bench.delivery.settled(lambda: True)


async def test_what_an_envoy_refused_before_it_was_told_to_end_is_not_held_against_an_edit(
    bench: Bench,
) -> None:
    bench.envoy.rejected = 1
    bench.delivery.ended()
    await bench.delivery.deliver(_snapshot(a="next"))
    bench.delivery.ended()  # is told again and again
    bench.envoy.warming = [1] * (2 * deliver.SURE_AFTER)
    assert await bench.delivery.settled(lambda: True)


DUMP = "\n".join(["virtual_hosts {", *['  domains: "a"'] * 180, "}"])
LOGGED = "[2026-01-01 00:00:00.000][1][warning][config] [x.cc:81] Filesystem config update rejected: "


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        pytest.param(
            f"{LOGGED}invalid repetition size: {{30}}\n", "invalid repetition size: {30}", id="plain"
        ),
        pytest.param(
            f"{LOGGED}old\n{LOGGED}goo.gle/debugstr  \n{DUMP}\n: Proto constraint validation failed "
            "(RouteValidationError.Route: embedded message failed validation | caused by "
            'RouteActionValidationError.PrefixRewrite: value does not match regex pattern "^[^\\x00]*$")\n'
            "[2026-01-01 00:00:01.000][1][warning][config] [x.cc:1] something else\n",
            'RouteActionValidationError.PrefixRewrite: value does not match regex pattern "^[^\\x00]*$"',
            id="after the resource",
        ),
        pytest.param("[2026-01-01 00:00:00.000][1][warning] nothing\n", "see the sidecar's log", id="none"),
        pytest.param(f"{LOGGED}{'x' * 20_000}\n", f"{'x' * refusal.LONGEST}...", id="long"),
    ],
)
def test_the_reason_of_a_refusal_is_one_sentence(tmp_path: Path, log: str, sentence: str) -> None:
    (tmp_path / "log").write_text(log)
    assert refusal.reason(tmp_path / "log") == sentence
