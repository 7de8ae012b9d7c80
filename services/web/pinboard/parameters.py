"""What a call is told: the query, and for POST a form too, the form winning."""

from __future__ import annotations

import datetime as dt
import re
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.requests import Request

from services.kit.errors import BadRequest, PayloadTooLarge
from services.web.programs import times

MAX_FIELDS = 1_000

_YES, _NO = frozenset(("yes", "1", "true")), frozenset(("no", "0", "false"))
_GAP = re.compile(r"[\s,]+")
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")


class Parameters:
    """The values by name; an empty one is an absent one, of repeated ones the last counts."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            text = value.replace("\0", "")
            if text.strip():
                self._values.setdefault(name, []).append(text)

    def text(self, name: str) -> str:
        """The value as it was sent; empty when it is absent."""
        return self._values.get(name, [""])[-1]

    def flag(self, name: str) -> bool | None:
        """Yes or no; None when it is absent or neither."""
        value = self.text(name).strip().lower()
        return True if value in _YES else False if value in _NO else None

    def number(self, name: str) -> int | None:
        """A whole number; None when it is absent or none."""
        value = self.text(name).strip()
        return int(value) if _WHOLE.fullmatch(value) else None

    def tags(self, *names: str) -> list[str]:
        """Tags of the first of the names that is there; blanks, line breaks and commas separate."""
        for name in names:
            if name in self._values:
                return [tag for value in self._values[name] for tag in _GAP.split(value) if tag]
        return []

    def moment(self, name: str) -> dt.datetime | None:
        """A time in UTC; None when it is absent. Raises BadRequest for one that cannot be read."""
        text = self.text(name)
        if not text:
            return None
        when = times.parse(text)
        if when is None:
            raise BadRequest(f"`{name}` is no time", parameter=name)
        return when


async def parameters_of(request: Request) -> Parameters:
    """The parameters of a request; raises BadRequest, PayloadTooLarge."""
    pairs = _pairs(request.scope["query_string"])
    if request.method == "POST":
        sent = await _form(request)
        given = {name for name, value in sent if value.strip()}
        pairs = [pair for pair in pairs if pair[0] not in given] + sent
    return Parameters(pairs)


async def _form(request: Request) -> list[tuple[str, str]]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        try:
            async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
                return [
                    (name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)
                ]
        except PayloadTooLarge:
            raise
        except Exception as error:
            raise BadRequest("the form cannot be read") from error
    return _pairs(await request.body())


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise BadRequest("too many parameters") from error
