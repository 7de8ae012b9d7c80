"""Settings that change while the process runs: all of a file or nothing, and everybody can see which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.kit.live.file import ConfigFile
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
        ("BURST: " + "[" * 5_000, "this is no YAML"),
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


@pytest.mark.parametrize("text", ["- BURST: 9", "9", "just words"])
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


def test_the_file_is_followed_as_the_kubelet_exchanges_it(live: Live[Settings], tmp_path: Path) -> None:
    (tmp_path / "runtime.yaml").symlink_to("..data/runtime.yaml")
    file = ConfigFile(tmp_path / "runtime.yaml", live)
    file.look()
    assert live.hash == ""
    for number, text in enumerate(["BURST: 1", "BURST: 2"]):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "runtime.yaml").write_text(text)
        (tmp_path / "..new").symlink_to(f"..{number}")
        (tmp_path / "..new").replace(tmp_path / "..data")
        file.look()
        assert live.now.burst == number + 1
    (tmp_path / "..data").unlink()
    file.look()
    assert live.now.burst == 2


def test_the_same_text_is_judged_once(
    live: Live[Settings], registry: CollectorRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_bytes(b"\xff\xfe: 1")
    file = ConfigFile(path, live)
    file.look()
    file.look()
    assert registry.get_sample_value("config_reloads_total", {"outcome": "refused"}) == 1


def test_a_setting_says_whether_it_is_live() -> None:
    found = {setting.name: setting.live for setting in describe(Settings)}
    assert (found["BURST"], found["PORT"], found["DATABASE_URL"]) == (True, False, False)
