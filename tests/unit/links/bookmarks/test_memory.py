"""A file of any size is read in bounded memory: measured in the process that reads it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Beyond what the program needs for an empty file: SQLite's cache, one batch, one megabyte of one tag or text.
MAX_GROWTH_KIB = 48 * 1024
READ = """
import resource, sys
from services.links.bookmarks.model import Options
from services.links.bookmarks.reader import run
with open("/dev/null", "wb") as out:
    run(open(sys.argv[1], "rb"), Options(), 0, out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def bookmarks(size: int) -> bytes:
    entry = '<DT><A HREF="https://www.example.org/%d" ADD_DATE="1600000000" TAGS="a,b">T %d</A>\n<DD>%s\n'
    count = size // 400
    return b"<DL>\n" + b"".join((entry % (n, n, "note " * 55)).encode() for n in range(count))


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "bookmarks": bookmarks,
    "one value": lambda size: b'<DL><A HREF="' + b"x" * size + b'">t</A>',
    "one title": lambda size: b"<DL><A HREF=http://a.example>" + b"x" * size,
    "one note": lambda size: b"<DL><A HREF=http://a.example>a</A><DD>" + b"&amp;<b>" * (size // 8),
    "one comment": lambda size: b"<DL><!--" + b"-" * size,
    "one tag": lambda size: b"<DL><A " + b"x " * (size // 2),
    "folders": lambda size: b"<DL>" * (size // 4),
    "one string": lambda size: b'[{"href":"' + b"x" * size,
    "nothing but brackets": lambda size: b"[" * size,
    "one line": lambda size: b"url,title\n" + b"x" * size,
    "one quoted field": lambda size: b'url,title\n"' + b"x\n" * (size // 2),
    "white space": lambda size: b"<DL><A HREF=http://a.example>a</A><DD>" + b" \n" * (size // 2),
}


def peak_kib(file: Path) -> int:
    done = subprocess.run([sys.executable, "-c", READ, file], capture_output=True, timeout=300, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("shape", HOSTILE)
def test_eight_megabytes_of_anything_take_little_memory(shape: str, tmp_path: Path) -> None:
    check(shape, 8 << 20, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hundred_megabytes_of_anything_take_little_memory(shape: str, tmp_path: Path) -> None:
    check(shape, 100 << 20, tmp_path)


def check(shape: str, size: int, folder: Path) -> None:
    empty, file = folder / "empty", folder / "file"
    empty.write_bytes(b"<DL>")
    file.write_bytes(HOSTILE[shape](size))
    assert peak_kib(file) - peak_kib(empty) < MAX_GROWTH_KIB
