"""Bytes to text: which encoding a file is in, and its text in pieces.

A byte-order mark decides; otherwise UTF-8, whatever the file declares; Windows-1252 for the whole file when
any of its bytes cannot be UTF-8. So a file is gone through twice, and never held as a whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

CHUNK_BYTES = 1 << 16

# UTF-32's little-endian mark begins with UTF-16's, so it is asked for first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_ENDS = re.compile("\r\n|\n\r|\r|\n")
# The five bytes that Windows-1252 leaves open are the control characters of the same number, as browsers
# have it (WHATWG Encoding, index windows-1252).
_WINDOWS_1252 = "".join(
    bytes([code]).decode("cp1252") if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(code)
    for code in range(256)
)


def encoding_of(file: BinaryIO) -> tuple[str, int]:
    """The encoding's name and the length of its byte-order mark; reads the file through once."""
    file.seek(0)
    head = file.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "windows-1252", 0
    return "utf-8", 0


def chunks(file: BinaryIO) -> Iterator[str]:
    """The file's text, its line ends all `\\n`, without NUL characters."""
    encoding, mark_bytes = encoding_of(file)
    file.seek(mark_bytes)
    return without_nul(one_line_end(_decoded(file, encoding)))


def _decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    if encoding == "windows-1252":
        while chunk := file.read(CHUNK_BYTES):
            yield codecs.charmap_decode(chunk, "strict", _WINDOWS_1252)[0]
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while chunk := file.read(CHUNK_BYTES):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def without_nul(pieces: Iterator[str]) -> Iterator[str]:
    for piece in pieces:
        yield piece.replace("\0", "")


def one_line_end(pieces: Iterator[str]) -> Iterator[str]:
    """CR LF, LF CR and a lone CR are each one LF; a pair may be cut between two pieces."""
    held = ""
    for piece in pieces:
        text = held + piece
        ends = _LINE_ENDS.findall(text, len(text.rstrip("\r\n")))
        held = ends[-1] if ends and len(ends[-1]) == 1 else ""
        yield unix_lines(text[: len(text) - len(held)])
    yield unix_lines(held)


def unix_lines(text: str) -> str:
    return _LINE_ENDS.sub("\n", text) if "\r" in text else text
