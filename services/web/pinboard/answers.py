"""Answers in both forms, the same things in JSON and in XML; no I/O."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from services.web.pinboard.post import Post, xml_text

Format = Literal["json", "xml"]

# One program refuses any other type of JSON.
MEDIA_TYPES: dict[Format, str] = {
    "json": "text/json; charset=utf-8",
    "xml": "text/xml; charset=utf-8",
}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_TO_ESCAPE = re.compile('[&<>"\n\r\t]')


@dataclass(frozen=True)
class Result:
    """What became of a call; `done` or why not."""

    code: str = "done"


@dataclass(frozen=True)
class Said:
    """One text: of a call about tags that it is done, or a secret."""

    text: str = "done"


@dataclass(frozen=True)
class Updated:
    time: str


@dataclass(frozen=True)
class Dates:
    """Days with how many posts each has, the newest first."""

    user: str
    tag: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Suggested:
    popular: Sequence[str]
    recommended: Sequence[str]


@dataclass(frozen=True)
class Tags:
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Note:
    id: str
    hash: str
    title: str
    length: int
    created_at: str
    updated_at: str
    text: str


@dataclass(frozen=True)
class Notes:
    notes: Sequence[Note]


Answer = Result | Said | Updated | Dates | Suggested | Tags | Note | Notes


def rendered(answer: Answer, form: Format) -> bytes:
    """The whole answer."""
    if form == "json":
        return msgspec.json.encode(_json(answer))
    return (_DECLARATION + _xml(answer)).encode()


def _json(answer: Answer) -> object:
    match answer:
        case Result(code):
            return {"result_code": code}
        case Said(text):
            return {"result": text}
        case Updated(time):
            return {"update_time": time}
        case Dates(user, tag, counts):
            return {"user": user, "tag": tag, "dates": counts}
        case Suggested(popular, recommended):
            return [{"popular": popular}, {"recommended": recommended}]
        case Tags(counts):
            return {tag: str(count) for tag, count in counts.items()}
        case Note():
            return dataclasses.asdict(answer)
        case Notes(notes):
            return {"count": len(notes), "notes": [_in_list(note) for note in notes]}


def _in_list(note: Note) -> dict[str, str]:
    fields = {name: str(value) for name, value in dataclasses.asdict(note).items()}
    del fields["text"]
    return fields


def _xml(answer: Answer) -> str:
    match answer:
        case Result(code):
            return element("result", {"code": code})
        case Said(text):
            return f"<result>{escaped(text)}</result>"
        case Updated(time):
            return element("update", {"time": time})
        case Dates(user, tag, counts):
            days = (element("date", {"count": str(count), "date": day}) for day, count in counts.items())
            return element("dates", {"user": user, "tag": tag}, "".join(days))
        case Suggested(popular, recommended):
            tags = [f"<popular>{escaped(tag)}</popular>" for tag in popular]
            tags += [f"<recommended>{escaped(tag)}</recommended>" for tag in recommended]
            return f"<suggested>{''.join(tags)}</suggested>"
        case Tags(counts):
            found = (element("tag", {"count": str(count), "tag": tag}) for tag, count in counts.items())
            return f"<tags>{''.join(found)}</tags>"
        case Note():
            fields = {name: str(value) for name, value in dataclasses.asdict(answer).items()}
            text = fields.pop("text")
            return element("note", fields, f"<text>{escaped(text)}</text>")
        case Notes(notes):
            listed = "".join(element("note", _in_list(note)) for note in notes)
            return element("notes", {"count": str(len(notes))}, listed)


@dataclass(frozen=True)
class PostList:
    """What stands around posts: `posts/all` is a bare list, the others say whose and of when."""

    form: Format
    user: str
    date: str | None = None

    @property
    def head(self) -> str:
        if self.form == "json":
            if self.date is None:
                return "["
            return f'{{"date":{_text(self.date)},"user":{_text(self.user)},"posts":['
        attributes = {"user": self.user} if self.date is None else {"user": self.user, "dt": self.date}
        return _DECLARATION + element("posts", attributes, "").removesuffix("</posts>")

    @property
    def between(self) -> str:
        return "," if self.form == "json" else ""

    @property
    def tail(self) -> str:
        if self.form == "xml":
            return "</posts>"
        return "]" if self.date is None else "]}"

    def post(self, post: Post) -> str:
        fields = dataclasses.asdict(post)
        if self.form == "json":
            return msgspec.json.encode(fields).decode()
        return element("post", {"tag" if name == "tags" else name: value for name, value in fields.items()})


def element(name: str, attributes: Mapping[str, str], content: str | None = None) -> str:
    """An XML element; without `content` an empty one."""
    written = "".join(f' {key}="{escaped(value)}"' for key, value in attributes.items())
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>"


def escaped(text: str) -> str:
    """As it may stand in a value or between tags; line breaks survive in both."""
    return _TO_ESCAPE.sub(lambda found: _MARKUP[found[0]], xml_text(text))


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()
