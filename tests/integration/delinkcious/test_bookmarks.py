"""The commands as a person uses them, against both services."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from tests.integration.delinkcious.conftest import INTERRUPT, Program

pytestmark = pytest.mark.anyio

PASSWORD = b"a long walk by the sea\n"
CORPUS = Path(__file__).resolve().parents[2] / "data" / "bookmarks"


async def signed_up(program: Program, name: str = "ann") -> None:
    done = await program("sign-up", name, "--password-stdin", stdin=PASSWORD)
    assert done.code == 0, done.err


async def test_from_an_account_to_a_found_link_and_out_again(program: Program, tmp_path: Path) -> None:
    await signed_up(program)
    kept = tmp_path / ".config" / "delinkcious" / "sessions.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    done = await program("import", str(CORPUS / "firefox.html"), str(CORPUS / "pinboard.json"))
    assert done.code == 0, done.err
    assert (
        b"firefox.html: netscape, 12 entries, 8 links: 8 added, 0 updated, 0 unchanged, 3 skipped" in done.out
    )
    assert b"unsupported-scheme: 'about:config'" in done.out
    again = await program("import", "-o", "json", "-", stdin=(CORPUS / "firefox.html").read_bytes())
    report = json.loads(again.out)[0]["report"]
    assert (report["added"], report["updated"], report["unchanged"]) == (0, 0, 8)

    found = await program("search", "-o", "json", "semantics", "tag:rfc")
    assert [hit["link"]["url"] for hit in json.loads(found.out)] == [
        "https://www.rfc-editor.org/rfc/rfc9110.html"
    ]
    malformed = await program("search", "python (web")
    assert malformed.code == 2
    assert "  python (web\n         ^" in malformed.err

    file = tmp_path / "out.csv"
    written = await program("export", "--format", "csv", "-O", str(file))
    assert (written.code, written.err) == (0, f"Written to {file}.\n")
    assert len(file.read_text().splitlines()) > 13
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]

    assert b"signed out" in (await program("sign-out")).out
    refused = await program("export")
    assert (refused.code, refused.out) == (3, b"")
    assert "delinkcious sign-in" in refused.err


async def test_pipes_and_devices_are_files_too(program: Program, tmp_path: Path) -> None:
    await signed_up(program)
    pipe, device = tmp_path / "pipe", tmp_path / "device"
    os.mkfifo(pipe)
    importing = asyncio.create_task(program("import", str(pipe)))
    await asyncio.to_thread(pipe.write_bytes, b'<DL><DT><A HREF="http://a.example/">\x1b[2Jsea</A>')
    assert (await importing).code == 0
    assert b"\x1b" not in (await program("search", "sea")).out
    os.mkfifo(device)
    reading = asyncio.create_task(asyncio.to_thread(device.read_bytes))
    assert (await program("export", "-O", str(device))).code == 0
    assert b"http://a.example/" in await reading
    assert device.is_fifo()
    (tmp_path / "link.html").symlink_to(tmp_path / "kept.html")
    assert (await program("export", "-O", str(tmp_path / "link.html"))).code == 0
    assert (tmp_path / "link.html").is_symlink()
    unreadable = await program("import", "/proc/self/mem")
    assert (unreadable.code, unreadable.err) == (1, "Error: Input/output error\n")


async def test_what_goes_wrong_is_one_sentence_and_a_code(program: Program, tmp_path: Path) -> None:
    await signed_up(program)
    strange = tmp_path / "strange.txt"
    strange.write_text("nothing of the kind")
    refused = await program("import", str(strange))
    assert refused.code == 1
    assert "This is no bookmark file" in refused.err
    wrong = await program("sign-in", "ann", "--password-stdin", stdin=b"not the password\n")
    assert wrong.code == 3
    away = await program(
        "sign-in", "ann", "--password-stdin", "--server", "http://127.0.0.1:9", stdin=PASSWORD
    )
    assert away.code == 4
    clear = await program("sign-out", "--server", "http://example.org")
    assert clear.code == 2
    assert "https" in clear.err


async def test_an_interrupted_import_goes_on_with_the_next_call(program: Program, tmp_path: Path) -> None:
    await signed_up(program)
    file = tmp_path / "many.html"
    file.write_text(
        "<DL>" + "".join(f'<DT><A HREF="http://example.org/{n}">{n}</A>\n' for n in range(12_000))
    )
    process = await program.start("import", str(file))
    unfinished = tmp_path / ".local" / "state" / "delinkcious" / "imports.json"
    while not unfinished.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    process.send_signal(INTERRUPT)
    _, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert "again to go on" in err.decode()
    done = await program("import", str(file))
    assert done.code == 0, done.err
    assert b"12,000 links: 12,000 added" in done.out
    assert json.loads(unfinished.read_bytes()) == {}
