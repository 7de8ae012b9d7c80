"""Bookmarks in HTML: the Netscape format as browsers and bookmark services write it, and Pocket's lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from . import fields, markup
from .model import MAX_TEXT_CHARACTERS, Entry, Options

_WANTED = frozenset(["href", "add_date", "time_added", "tags", "private", "toread", "archived", "notes"])
_WANTED_OF_FOLDER = frozenset(["personal_toolbar_folder", "unfiled_bookmarks_folder", "id"])
_READING_LIST = "com.apple.ReadingList"
# Deeper folders are passed through, but give no tag: a link has at most a hundred.
MAX_DEPTH = 200
# In files of our own the second text of a note is to stay apart; in others it becomes a part of the first.
NOTES_APART = "apart"
_NOTES_BEGIN, _NOTES_END = "[linkding-notes]", "[/linkding-notes]"
# Marks for the two above, made before references are decoded, so that an escaped one stays text. NUL cannot
# be in a text: it is removed when bytes become text.
_BEGIN, _END = "\0(", "\0)"


class _Folder:
    """An open `<DL>`: the tags that the path down to it gives."""

    __slots__ = ("tags", "to_read")

    def __init__(self, tags: tuple[str, ...], to_read: bool) -> None:
        self.tags = tags
        self.to_read = to_read


class _Field:
    """A text being collected across tags: a title, a note, a heading."""

    __slots__ = ("characters", "kind", "pieces", "run")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.run: list[str] = []
        self.characters = 0

    def add(self, text: str) -> None:
        room = MAX_TEXT_CHARACTERS - self.characters
        if room > 0:
            self.run.append(text[:room])
            self.characters += len(text)

    def end_run(self) -> None:
        """A tag stands here, which a reference cannot go across."""
        if self.run:
            text = "".join(self.run)
            if self.kind == "note" and _NOTES_BEGIN in text:
                text = text.replace(_NOTES_BEGIN, _BEGIN)
            if self.kind == "note" and _NOTES_END in text:
                text = text.replace(_NOTES_END, _END)
            self.pieces.append(markup.decoded(text))
            self.run = []

    def text(self) -> str:
        self.end_run()
        return "".join(self.pieces)


class _Reader:
    """Where in the file we are: the open folders, the entry that may still get a note, the open text."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.place = 0
        self.folders = [_Folder((), False)]
        self.too_deep = 0
        self.heading: tuple[str, dict[str, str]] | None = None
        self.heading_attributes: dict[str, str] = {}
        self.section = ""
        self.unread_section = False
        self.link: dict[str, str] | None = None
        self.title = ""
        self.note = ""
        self.field: _Field | None = None
        self.ready: Entry | None = None

    def text(self, text: str) -> None:
        if self.field is not None:
            self.field.add(text)

    def end_field(self) -> None:
        if self.field is None:
            return
        text = self.field.text()
        match self.field.kind:
            case "title":
                self.title = text
            case "note":
                self.note = text
            case "heading":
                self.heading = (text, self.heading_attributes)
            case _:
                self.section = fields.one_line(text)
        self.field = None

    def end_entry(self) -> None:
        """The entry is whole: nothing that follows can be its note."""
        self.end_field()
        if self.link is None:
            return
        link, folder = self.link, self.folders[-1]
        self.link = None
        self.place += 1
        private = link.get("private")
        note, notes = self.note, ""
        if link.get("notes") == NOTES_APART:
            note, _, notes = note.partition(_BEGIN)
            notes = notes.partition(_END)[0]
        self.ready = fields.entry(
            self.place,
            url=link.get("href", ""),
            title=self.title,
            note=_with_linkding_notes(note),
            tags=(*folder.tags, *link.get("tags", "").split(",")),
            private=self.options.private if private is None else fields.flag(private),
            to_read=folder.to_read or self.unread_section or fields.flag(link.get("toread")),
            date=link.get("add_date", link.get("time_added", "")),
            notes=notes,
            archived=fields.flag(link.get("archived")),
        )

    def open_link(self, attributes: str) -> None:
        self.end_entry()
        self.heading = None
        self.link = markup.attributes(attributes, _WANTED)
        self.title = self.note = ""
        self.field = _Field("title")

    def open_note(self, _: str) -> None:
        if self.field is not None and self.field.kind == "note":
            self.field.end_run()
            return
        self.end_field()
        if self.link is not None:
            self.field = _Field("note")

    def open_heading(self, attributes: str) -> None:
        self.end_entry()
        self.heading = None
        self.heading_attributes = markup.attributes(attributes, _WANTED_OF_FOLDER)
        self.field = _Field("heading")

    def open_folder(self, _: str) -> None:
        self.end_entry()
        heading, self.heading = self.heading, None
        if len(self.folders) >= MAX_DEPTH:
            self.too_deep += 1
            return
        above = self.folders[-1]
        self.folders.append(above if heading is None else self._folder(above, *heading))

    def _folder(self, above: _Folder, name: str, attributes: dict[str, str]) -> _Folder:
        if attributes.get("id") == _READING_LIST:
            return _Folder(above.tags, True)
        marked = "personal_toolbar_folder" in attributes or "unfiled_bookmarks_folder" in attributes
        root = not above.tags and (marked or fields.is_root_folder(name))
        if root or not self.options.folders:
            return _Folder(above.tags, above.to_read)
        return _Folder((*above.tags, *fields.tag_set([name])), above.to_read)

    def close_folder(self, _: str) -> None:
        self.end_entry()
        self.heading = None
        if self.too_deep:
            self.too_deep -= 1
        elif len(self.folders) > 1:
            self.folders.pop()

    def separator(self, _: str) -> None:
        self.end_entry()
        self.heading = None

    def term(self, _: str) -> None:
        self.end_entry()

    def item(self, _: str) -> None:
        if self.field is not None and self.field.kind != "note":
            self.end_field()
        self.inside_text(_)

    def end_title(self, _: str) -> None:
        self._end("title")

    def end_heading(self, _: str) -> None:
        self._end("heading")

    def open_section(self, _: str) -> None:
        if self.field is None:
            self.field = _Field("section")

    def end_section(self, _: str) -> None:
        self._end("section")

    def _end(self, kind: str) -> None:
        if self.field is not None and self.field.kind == kind:
            self.end_field()
        self.inside_text("")

    def open_list(self, _: str) -> None:
        if self.field is None:
            self.unread_section = self.section.casefold() == "unread"

    def close_list(self, _: str) -> None:
        if self.field is None:
            self.end_entry()
            self.unread_section = False

    def line_break(self, _: str) -> None:
        if self.field is not None:
            self.field.end_run()
            self.field.pieces.append("\n")

    def inside_text(self, _: str) -> None:
        """Markup that only stands inside a text: dropped."""
        if self.field is not None:
            self.field.end_run()


_STEPS: dict[str, Callable[[_Reader, str], None]] = {
    "a": _Reader.open_link,
    "/a": _Reader.end_title,
    "dd": _Reader.open_note,
    "dt": _Reader.term,
    "dl": _Reader.open_folder,
    "/dl": _Reader.close_folder,
    "h3": _Reader.open_heading,
    "/h3": _Reader.end_heading,
    "hr": _Reader.separator,
    "br": _Reader.line_break,
    "li": _Reader.item,
    "h1": _Reader.open_section,
    "/h1": _Reader.end_section,
    "ul": _Reader.open_list,
    "/ul": _Reader.close_list,
}


def read(chunks: Iterable[str], options: Options) -> Iterator[Entry]:
    """The entries of a bookmark file in HTML, in file order."""
    reader = _Reader(options)
    for name, value in markup.tokens(chunks):
        if not name:
            reader.text(value)
            continue
        _STEPS.get(name, _Reader.inside_text)(reader, value)
        if reader.ready is not None:
            yield reader.ready
            reader.ready = None
    reader.end_entry()
    if reader.ready is not None:
        yield reader.ready


def _with_linkding_notes(note: str) -> str:
    """linkding keeps a second text inside the note: it becomes a paragraph of its own."""
    while _BEGIN in note:
        before, _, rest = note.partition(_BEGIN)
        inside, _, after = rest.partition(_END)
        before = before.rstrip()
        note = f"{before}\n\n{inside}{after}" if before else inside + after
    return note.replace(_END, _NOTES_END)
