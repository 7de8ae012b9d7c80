"""The file of a runtime configuration: followed whatever it says, and judged beside the event loop."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta
from prometheus_client import CollectorRegistry

from services.kit.live import reading
from services.kit.live.file import ConfigFile
from services.kit.live.settings import Live
from services.kit.settings import LIVE, InvalidSettings, ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    burst: Annotated[int, Meta(ge=1, description="So many at once.", extra=LIVE)] = 5


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def live(registry: CollectorRegistry) -> Live[Settings]:
    return Live(Settings(burst=7), registry)


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


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader with a fault of its own, for files that say `odd`."""

    def odd(text: str, given: Settings) -> Settings:
        if "odd" in text:
            raise KeyError("odd")
        return reading.read(text, given)

    monkeypatch.setattr("services.kit.live.settings.read", odd)


@pytest.mark.anyio
@pytest.mark.usefixtures("broken")
async def test_nothing_a_file_says_ends_the_following(
    live: Live[Settings], registry: CollectorRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "runtime.yaml"
    file = ConfigFile(path, live)
    path.write_text("odd")
    file.look()
    assert (live.now.burst, live.refused) == (7, "this could not be judged (KeyError)")
    for refused in ("odd: 1", "OPEN: !!bool maybe", "BURST: 2026-99-99", "x" * 100_000):
        path.write_text(refused)
        await file.looked()
        assert live.refused
        assert registry.get_sample_value("config_last_reload_successful") == 0
    path.write_text("BURST: 9")
    await file.looked()
    assert (live.now.burst, live.refused) == (9, "")
    assert registry.get_sample_value("config_last_reload_successful") == 1


@pytest.mark.anyio
async def test_a_file_is_judged_beside_the_event_loop_and_put_in_force_on_it(
    live: Live[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    judged = live.judged

    def noted(text: str) -> Settings | InvalidSettings:
        threads.append(threading.current_thread())
        return judged(text)

    monkeypatch.setattr(live, "judged", noted)
    live.follow(lambda *_: threads.append(threading.current_thread()))
    (tmp_path / "runtime.yaml").write_text("BURST: 9")
    await ConfigFile(tmp_path / "runtime.yaml", live).looked()
    assert threads[0] is not threading.current_thread()
    assert threads[1:] == [threading.current_thread()]


def test_no_more_of_a_file_is_read_than_is_taken(live: Live[Settings], tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("BURST: 9\n#" + "\N{SNOWMAN}" * 30_000)
    ConfigFile(path, live).look()
    assert live.refused == "this is larger than 64 KiB"
    path.write_text("BURST: 9\n#" + "\N{SNOWMAN}" * 20_000)
    ConfigFile(path, live).look()
    assert (live.refused, live.now.burst) == ("", 9)
