"""Settings that change while the process runs: all of a file or nothing, and everybody can see which."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from msgspec import Meta
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.kit.live import reading
from services.kit.live.settings import Live
from services.kit.settings import LIVE, Seconds, Secret, ServiceSettings, describe


class Settings(ServiceSettings, frozen=True, kw_only=True):
    burst: Annotated[int, Meta(ge=1, description="So many at once.", extra=LIVE)] = 5
    every_s: Annotated[Seconds, Meta(gt=0, description="And then one each.", extra=LIVE)] = 60.0
    open: Annotated[bool, Meta(description="A switch.", extra=LIVE)] = True


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def live(registry: CollectorRegistry) -> Live[Settings]:
    return Live(Settings(burst=7), registry)


def test_a_right_configuration_is_in_force_in_one_step(
    live: Live[Settings], registry: CollectorRegistry
) -> None:
    seen = []
    live.follow(lambda before, after: seen.append((before.burst, after.burst, live.now is after)))
    before = live.now
    with capture_logs() as lines:
        assert live.offer("BURST: 9\nEVERY_S: 2\nOPEN: false\n")
    assert (live.now.burst, live.now.every_s, live.now.open) == (9, 2.0, False)
    assert before.burst == 7
    assert seen == [(7, 9, True)]
    assert lines[0]["changes"] == {"BURST": 9, "EVERY_S": 2.0, "OPEN": False}
    assert registry.get_sample_value("config_last_reload_successful") == 1
    assert registry.get_sample_value("config_hash") == int(live.hash, 16)


def test_what_the_file_does_not_name_any_more_is_as_the_environment_says(live: Live[Settings]) -> None:
    live.offer("{BURST: 9, OPEN: false}")
    live.offer('{"OPEN": false}')
    assert (live.now.burst, live.now.open) == (7, False)
    live.offer("")
    assert live.now == Settings(burst=7)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("BURTS: 9", "BURTS is no setting of this service"),
        ("BURST: 0", "BURST: Expected `int` >= 1"),
        ("BURST: nine", "BURST: Expected `int`, got `str`"),
        ("BURST: '9'", "BURST: Expected `int`, got `str`"),
        ("EVERY_S: .inf", "EVERY_S: Expected `float` <= 1000000000.0"),
        ("EVERY_S: .nan", "EVERY_S: Expected `float`"),
        ("OPEN: 0", "OPEN: Expected `bool`, got `int`"),
        ("LOG_LEVEL: loud", "LOG_LEVEL: Invalid enum value 'loud'"),
        ("TRACE_RATIO: 1.5", "TRACE_RATIO: Expected `float` <= 1.0"),
        ("PORT: 81", "PORT does not change while the process runs"),
        ("DATABASE_URL: x", "DATABASE_URL does not change while the process runs"),
        ("MAX_QUEUE: 3", "MAX_QUEUE stands there twice"),
        ("{", "this is no YAML in line 3"),
        ("BURST: 2026-99-99", "this is no YAML"),
        ("BURST: " + "[" * 5_000, "a list or a mapping as a value is not taken (line 2)"),
        ("BURST:\n" + "- " * 5_000, "a list or a mapping as a value is not taken (line 3)"),
        ("BURST: {a: 1}", "a list or a mapping as a value is not taken (line 2)"),
        ("? [BURST]\n: 1", "a list or a mapping as a value is not taken (line 2)"),
        ("OPEN: !!bool maybe", "the tag tag:yaml.org,2002:bool is not taken (line 2)"),
        ("BURST: !!timestamp foo", "the tag tag:yaml.org,2002:timestamp is not taken (line 2)"),
        ('BURST: !!int ""', "the tag tag:yaml.org,2002:int is not taken (line 2)"),
        ("BURST: ! 9", "the tag ! is not taken (line 2)"),
        ("BURST: !python/name:os.system 9", "the tag !python/name:os.system is not taken (line 2)"),
        ("BURST: &nine 9", "the anchor &nine is not taken (line 2)"),
        ("BURST: *nine", "the alias *nine is not taken (line 2)"),
        ("<<: 1", "the merge key << is not taken (line 2)"),
        ("BURST: =", "this is no YAML"),
        ("EVERY_S: 1" + ":1" * 400 + ".5", "this is no YAML"),
        ("BURST: 0x" + "F" * 60_000, "the value in line 2 is too long"),
        ("# " + "x" * 65_536, "this is larger than 64 KiB"),
    ],
)
def test_one_fault_and_all_of_it_is_refused(
    live: Live[Settings], registry: CollectorRegistry, line: str, said: str
) -> None:
    live.offer("BURST: 8")
    followed: list[Settings] = []
    live.follow(lambda _, after: followed.append(after))
    before, known = live.now, live.hash
    with capture_logs() as lines:
        assert not live.offer(f"MAX_QUEUE: 1\n{line}\n")
    assert live.now is before
    assert live.hash == known
    assert followed == []
    assert said in live.refused
    assert [(each["event"], each["error"]) for each in lines] == [("configuration refused", live.refused)]
    assert registry.get_sample_value("config_last_reload_successful") == 0
    assert registry.get_sample_value("config_reloads_total", {"outcome": "refused"}) == 1


def test_every_fault_is_named_at_once(live: Live[Settings]) -> None:
    live.offer("BURST: 0\nEVERY_S: -1\nPORT: 1\nX: 1")
    assert [fault.split(":")[0].split()[0] for fault in live.refused.split("; ")] == [
        "BURST",
        "EVERY_S",
        "PORT",
        "X",
    ]


def test_of_many_faults_a_line_has_ten(live: Live[Settings]) -> None:
    live.offer("\n".join(f"X{number}{'x' * 500 * (number == 1)}: 1" for number in range(1_000)))
    told = live.refused.split("; ")
    assert [fault.split()[0] for fault in told[2:10]] == [f"X{number}" for number in range(2, 10)]
    assert told[10:] == ["and 990 more"]
    assert len(live.refused) < 1_000


class Counted(str):
    """A text that counts how often it is compared, or hashed."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        Counted.looks += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        Counted.looks += 1
        return str.__hash__(self)


def test_finding_what_is_said_twice_costs_the_same_for_each_name(
    live: Live[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(Counted(f"X{number}"), 1) for number in range(4_000)]
    monkeypatch.setattr(reading, "_pairs", lambda _: pairs)
    Counted.looks = 0
    live.offer("")
    assert "and 3990 more" in live.refused
    assert Counted.looks < 10 * len(pairs)


@pytest.mark.parametrize("text", ["- BURST: 9", "9", "just words", "[BURST, 9]"])
def test_what_is_no_mapping_is_refused(live: Live[Settings], text: str) -> None:
    assert not live.offer(text)
    assert "no list of settings" in live.refused


def test_a_right_one_after_a_wrong_one_clears_the_complaint(
    live: Live[Settings], registry: CollectorRegistry
) -> None:
    live.offer("X: 1")
    assert live.shown()["refused"]
    live.offer("BURST: 2")
    assert live.shown()["refused"] == ""
    assert live.shown()["settings"]["BURST"] == 2
    assert registry.get_sample_value("config_last_reload_successful") == 1


def test_what_is_shown_has_no_secret_in_it(registry: CollectorRegistry) -> None:
    shown = Live(Settings(database_url=Secret("s3cret")), registry).shown()
    assert "s3cret" not in json.dumps(shown)
    assert {"LOG_LEVEL", "TRACE_RATIO", "MAX_CONCURRENCY", "BURST"} <= shown["settings"].keys()


def test_a_follower_that_fails_is_a_refusal_and_the_others_go_back(
    live: Live[Settings], registry: CollectorRegistry
) -> None:
    seen: list[int] = []

    def fail(before: Settings, after: Settings) -> None:
        raise RuntimeError("no")

    live.follow(lambda _, after: seen.append(after.burst))
    live.follow(fail)
    assert not live.offer("BURST: 9")
    assert (live.now.burst, live.hash, seen) == (7, "", [9, 7])
    assert live.refused == "this could not be judged (RuntimeError)"
    assert registry.get_sample_value("config_last_reload_successful") == 0


def test_a_setting_says_whether_it_is_live() -> None:
    found = {setting.name: setting.live for setting in describe(Settings)}
    assert (found["BURST"], found["PORT"], found["DATABASE_URL"]) == (True, False, False)
