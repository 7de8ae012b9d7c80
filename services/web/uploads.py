"""A file that a form sends, passed on as it comes: nothing of it is kept here."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from services.kit.errors import BadRequest, UnsupportedMediaType
from services.web.forms import Form

MAX_FIELD_BYTES = 4_096
MAX_FIELDS = 20
MAX_HEADER_BYTES = 8_192

# What the parser tells: the beginning of a part with its headers, a piece of it, its end.
_Told = tuple[str, bytes]


@dataclass(frozen=True)
class Upload:
    """The fields before the file, and the file; `content` is read once, to its end."""

    form: Form
    file_name: str
    content: AsyncIterator[bytes]


async def receive(request: Request) -> Upload:
    """Read up to where the file begins; raises BadRequest, UnsupportedMediaType."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedMediaType("send multipart/form-data")
    parts = _parts(request.stream(), options[b"boundary"])
    fields: list[tuple[str, str]] = []
    async for name, file_name, piece in parts:
        if file_name is not None:
            return Upload(Form(fields), file_name, _file(parts, piece))
        if not fields or fields[-1][0] != name or piece == b"":
            fields.append((name, ""))
        fields[-1] = (name, fields[-1][1] + piece.decode("utf-8", "replace"))
        if len(fields) > MAX_FIELDS or len(fields[-1][1]) > MAX_FIELD_BYTES:
            raise BadRequest("the form has too much before the file")
    raise BadRequest("choose a file first")


_Part = tuple[str, str | None, bytes]


async def _file(parts: AsyncGenerator[_Part, None], first: bytes) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for _, file_name, piece in parts:
        if file_name is None:
            # What stands behind the file is of no interest.
            continue
        if piece:
            yield piece


async def _parts(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[_Part, None]:
    """Pieces of parts: its name, its file name if it is a file, and some bytes (none at its beginning)."""
    told: deque[_Told] = deque()
    header: list[bytes] = [b"", b""]
    part: dict[bytes, bytes] = {}

    def add(place: int, piece: bytes) -> None:
        header[place] += piece
        if len(header[place]) > MAX_HEADER_BYTES:
            raise FormParserError("a header is too long")

    def on_header_field(data: bytes, start: int, end: int) -> None:
        add(0, data[start:end])

    def on_header_value(data: bytes, start: int, end: int) -> None:
        add(1, data[start:end])

    def on_header_end() -> None:
        told.append((header[0].decode("latin-1").lower(), header[1]))
        header[:] = [b"", b""]

    parser = MultipartParser(
        boundary,
        {
            "on_header_field": on_header_field,
            "on_header_value": on_header_value,
            "on_header_end": on_header_end,
            "on_headers_finished": lambda: told.append(("begin", b"")),
            "on_part_data": lambda data, start, end: told.append(("data", data[start:end])),
        },
    )
    try:
        async for piece in body:
            parser.write(piece)
            while told:
                what, data = told.popleft()
                if what == "content-disposition":
                    _, part = parse_options_header(data)
                elif what in ("begin", "data"):
                    yield _named(part, data)
        parser.finalize()
    except FormParserError as error:
        raise BadRequest("the form cannot be read") from error


def _named(part: dict[bytes, bytes], data: bytes) -> _Part:
    name = part.get(b"name", b"").decode("utf-8", "replace")
    file_name = part.get(b"filename")
    return name, None if file_name is None else file_name.decode("utf-8", "replace"), data
