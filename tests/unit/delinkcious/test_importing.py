import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from delinkcious import importing
from delinkcious.importing import UnfinishedImports, send
from delinkcious.session import Server
from services.kit.errors import Conflict, NotFound, Problem, Unavailable
from services.links.bookmarks.messages import Import
from services.links.bookmarks.model import Options

pytestmark = pytest.mark.anyio


def state_of(key: str, state: str = "done") -> Import:
    return cast(Import, type("State", (), {"key": key, "state": state, "running": False})())


class Links:
    """A server that answers as it was told; `sent` counts the files."""

    def __init__(self, progress: list[Import | Problem], uploads: list[Problem | None]) -> None:
        self.progress = progress
        self.uploads = uploads
        self.asked: list[str] = []

    async def import_progress(self, key: str) -> Import:
        self.asked.append(key)
        answer = self.progress.pop(0)
        if isinstance(answer, Problem):
            raise answer
        return answer

    async def import_file(self, key: str, content: AsyncIterator[bytes], options: Options) -> Import:
        refusal = self.uploads.pop(0)
        if refusal is not None:
            raise refusal
        return state_of(key)


class Nobody:
    def sent(self, bytes_sent: int, total_bytes: int) -> None: ...

    def seen(self, state: Import) -> None: ...


async def imported(links: Links, folder: Path) -> Import:
    class There:
        url = "http://links"

        def username(self) -> str:
            return "ann"

    there = There()
    there.links = links  # type: ignore[attr-defined]
    unfinished = UnfinishedImports(folder / "imports.json")
    return await send(cast(Server, there), io.BytesIO(b"x"), Options(), Nobody(), unfinished)


async def test_a_server_that_is_away_for_a_moment_is_asked_again_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAUSE_S", 0)
    away, unknown = Unavailable("away"), NotFound("no import")
    links = Links([away, unknown, unknown, away, state_of("other")], [away, Conflict(key="other"), None])
    report = await imported(links, tmp_path)
    assert report.key == links.asked[0]
    assert links.asked[-2:] == ["other", "other"]
    assert not links.uploads


async def test_a_server_that_stays_away_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PAUSE_S", 0)
    with pytest.raises(Unavailable):
        await imported(Links([Unavailable("away")] * importing.ATTEMPTS, []), tmp_path)


async def test_what_was_imported_before_is_not_sent_again(tmp_path: Path) -> None:
    assert (await imported(Links([state_of("k")], []), tmp_path)).state == "done"
