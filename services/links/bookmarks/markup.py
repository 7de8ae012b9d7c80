"""HTML as a stream of tags and text, in bounded memory.

Not `html.parser`: its rules for references without a semicolon in attribute values changed between patch
releases of Python, it raises nothing but still keeps a tag that never ends whole, and it calls three methods
where one pattern finds the next token; this is HTML 5's tokenizer for what bookmark files are made of.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from html.entities import html5 as NAMED

# A tag or comment that is longer loses its middle. Icons as data: URLs reach hundreds of kilobytes.
MAX_TAG_CHARACTERS = 1 << 20
_KEPT_OF_A_LONG_TAG = 1 << 16

_TOKEN = re.compile(
    r"""<(?:
        (?P<name> /?[A-Za-z][^\s/>]*+ )
        (?P<attributes> (?:
            [^>=]++ | =\s*+ (?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\s>"'][^\s>]*+ | )
        )*+ ) >
      | !--(?: -?> | .*?--!?> )
      | (?: !(?!--) | \? | /[^A-Za-z>] ) [^>]*+ >
      | />
      | (?P<open> [A-Za-z/!?].* | \Z )
    )""",
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([^\s/>=]++)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>]*+)))?""")
_OPEN_VALUE = re.compile(r"""=\s*+("[^"]*+|'[^']*+)\Z""")
_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]{0,31};?)")


def tokens(chunks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`("", text)`, not decoded, or `(name in lower case, attributes as written)`; an end tag is `/name`.

    A text may come in several pieces. A tag that the file's end cuts off is none, as in HTML 5.
    """
    rest = ""
    for chunk in chunks:
        buffer = rest + chunk
        rest = ""
        at = 0
        for match in _TOKEN.finditer(buffer):
            start = match.start()
            if start > at:
                yield "", buffer[at:start]
            at = match.end()
            name = match["name"]
            if name:
                yield name.lower(), match["attributes"]
            elif match["open"] is not None:
                rest = match[0] if at - start < MAX_TAG_CHARACTERS else _shortened(match[0])
        if at < len(buffer):
            yield "", buffer[at:]
    if rest == "<":
        yield "", rest


def _shortened(unfinished: str) -> str:
    if unfinished.startswith("<!--"):
        return "<!-- " + unfinished[-3:]
    value = _OPEN_VALUE.search(unfinished)
    return unfinished[: (value.start(1) if value else 0) + _KEPT_OF_A_LONG_TAG]


def attributes(text: str, wanted: frozenset[str]) -> dict[str, str]:
    """The wanted attributes, names in lower case, values decoded; the first of repeated ones wins."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        name = match[1].lower()
        if name in wanted and name not in found:
            value = match[2] or match[3] or match[4] or ""
            found[name] = _REFERENCE.sub(_in_value, value) if "&" in value else value
    return found


def _in_value(reference: re.Match[str]) -> str:
    """HTML 5: without its semicolon and before `=`, a letter or a digit, a name is no reference."""
    name = reference[1]
    if name.startswith("#"):
        return html.unescape(reference[0])
    if not name.endswith(";") and reference.string[reference.end() : reference.end() + 1] == "=":
        return reference[0]
    return NAMED.get(name, reference[0])


def decoded(text: str) -> str:
    """A run of text between two tags, its character references decoded once."""
    return html.unescape(text) if "&" in text else text
