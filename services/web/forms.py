"""What a browser's form says: read within bounds, asked for by name."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from services.kit.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

# A note of 65,536 characters, each of four bytes and each byte written as `%xx`, and some more.
LIMIT_BYTES = 1024 * 1024
# A page of links, each with a box to tick.
MAX_FIELDS = 2_000
MEDIA_TYPE = "application/x-www-form-urlencoded"


class Form:
    """Fields in the order in which they came; NUL characters, which nobody types, are left out."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = [(name, value.replace("\0", "")) for name, value in fields]

    def text(self, name: str, default: str = "") -> str:
        """The first field of this name, without white space around it."""
        return next((value.strip() for key, value in self._fields if key == name), default)

    def secret(self, name: str) -> str:
        """The field as it was typed."""
        return next((value for key, value in self._fields if key == name), "")

    def texts(self, name: str) -> list[str]:
        return [value.strip() for key, value in self._fields if key == name]

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return any(key == name for key, _ in self._fields)

    def number(self, name: str) -> int | None:
        """A positive number of 64 bits; None for anything else."""
        return number(self.text(name))

    def numbers(self, name: str) -> list[int]:
        found = (number(text) for text in self.texts(name))
        return [value for value in found if value is not None]


def number(text: str) -> int | None:
    """A positive number of 64 bits; None for anything else."""
    if text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0:
        return int(text)
    return None


def parse(content: bytes | str) -> Form:
    """The fields of a query string or of a body; raises BadRequest."""
    try:
        text = content if isinstance(content, str) else content.decode()
        return Form(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise BadRequest("the form cannot be read") from error


async def read(request: Request) -> Form:
    """The form that is the body; raises UnsupportedMediaType, PayloadTooLarge, BadRequest."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(f"send {MEDIA_TYPE}")
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LIMIT_BYTES:
            raise PayloadTooLarge(f"at most {LIMIT_BYTES} bytes")
    return parse(bytes(content))
