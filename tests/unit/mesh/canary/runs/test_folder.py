"""What is kept of runs, by whom it may be written, and what a death in the middle leaves."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from mesh.canary.runs import starting
from mesh.canary.runs.folder import Busy, Folder, FolderError, Said, name_of
from mesh.canary.runs.journal import Began, DamagedJournal, Ended, Entered, Journal, events, last
from tests.unit.mesh.canary.runs.world import BEGAN_AT, World, rollout

NAME = "20270115-080000-00{:02x}"


def began(number: int = 0) -> Began:
    changes = starting.Changes(sets=("env.A=1",))
    beginning = starting.begin(World(), rollout(), changes, run=NAME.format(number), by="ada", at=BEGAN_AT)
    return asyncio.run(beginning)


def test_a_run_is_found_by_its_name_and_by_its_service(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "runs")
    path = folder.begin(began())
    assert folder.find("links") == folder.find(NAME.format(0)) == path
    assert [*events(path)] == [began()]
    assert oct(os.stat(folder.path).st_mode & 0o777) == "0o700"
    assert oct(os.stat(path).st_mode & 0o777) == "0o600"
    with pytest.raises(FolderError, match="nothing"):
        folder.find("nothing")


def test_a_service_has_one_run_at_a_time_whoever_begins_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    begun: list[Path] = []
    refused: list[Busy] = []
    runs = [began(number) for number in range(8)]

    def begin(run: Began) -> None:
        try:
            begun.append(folder.begin(run))
        except Busy as error:
            refused.append(error)

    threads = [threading.Thread(target=begin, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (1, 7)
    assert name_of(begun[0]) in str(refused[0])


def test_another_run_may_begin_when_the_last_has_ended(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    journal = Journal(folder.begin(began(0)))
    journal.append(Ended(at=BEGAN_AT + 1, verdict="aborted", reason="enough"))
    journal.close()
    assert folder.unfinished() == []
    following = folder.begin(began(1))
    assert folder.find("links") == following


def test_a_torn_last_line_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    path = Folder(tmp_path).begin(began())
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"ent')
    assert [*events(path)] == [began()]
    assert last(path) == began()
    journal = Journal(path)
    journal.append(Entered(at=BEGAN_AT + 1, stage="warming", why="ready"))
    journal.close()
    assert len([*events(path)]) == 2
    assert path.read_bytes().startswith(whole)


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = Folder(tmp_path).begin(began())
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n")
    with pytest.raises(DamagedJournal, match=f"{path}:2"):
        list(events(path))
    with pytest.raises(DamagedJournal):
        last(path)
    assert Folder(tmp_path).unfinished() == [path]


def test_what_people_say_is_heard_once_each_and_rubbish_is_not(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    path = folder.begin(began())
    assert folder.said(path, 0) == []
    folder.say(path, Said(verb="pause", by="ada"))
    with path.with_name(f"{name_of(path)}.commands.jsonl").open("ab") as file:
        file.write(b"rubbish\n")
    folder.say(path, Said(verb="approve", by="bob", gate="go"))
    with path.with_name(f"{name_of(path)}.commands.jsonl").open("ab") as file:
        file.write(b'{"verb":"abort"')  # still being written
    assert folder.said(path, 0) == [
        (1, Said(verb="pause", by="ada")),
        (3, Said(verb="approve", by="bob", gate="go")),
    ]
    assert folder.said(path, 3) == []


def test_one_process_drives(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.driven(), pytest.raises(Busy, match="another controller"), folder.driven():
        pass
    with folder.driven():
        pass


def test_a_link_in_the_place_of_a_journal_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    link = tmp_path / "x.jsonl"
    link.symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        Journal(link)
    assert other.read_text() == "kept"
