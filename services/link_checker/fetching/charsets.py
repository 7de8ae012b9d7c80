"""Which encoding a page is in: byte order mark, Content-Type, its first KiB, UTF-8, Windows-1252."""

from __future__ import annotations

import codecs
import re

# As the WHATWG's Encoding standard has it, by Python's names. A list of its own: Python knows "encodings"
# that are programs (zip, punycode, unicode_escape), and a page must not choose one.
_NAMES = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8",
    "cp1252": "iso-8859-1 latin1 latin-1 l1 ascii us-ascii windows-1252 cp1252 x-cp1252 iso8859-1",
    "iso8859-2": "iso-8859-2 latin2 l2 iso8859-2",
    "iso8859-3": "iso-8859-3 latin3",
    "iso8859-4": "iso-8859-4 latin4",
    "iso8859-5": "iso-8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 arabic",
    "iso8859-7": "iso-8859-7 greek greek8",
    "iso8859-8": "iso-8859-8 iso-8859-8-i hebrew",
    "cp1254": "iso-8859-9 latin5 windows-1254 cp1254",
    "iso8859-10": "iso-8859-10 latin6",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "iso-8859-15 latin9 l9",
    "iso8859-16": "iso-8859-16",
    "cp1250": "windows-1250 cp1250",
    "cp1251": "windows-1251 cp1251",
    "cp1253": "windows-1253 cp1253",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
    "cp1258": "windows-1258 cp1258",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u koi8-ru",
    "cp866": "ibm866 cp866 866",
    "mac-roman": "macintosh mac x-mac-roman",
    "cp874": "windows-874 tis-620 iso-8859-11",
    "gb18030": "gb18030 gbk gb2312 gb_2312-80 x-gbk chinese",
    "big5hkscs": "big5 big5-hkscs cn-big5",
    "euc_jp": "euc-jp x-euc-jp",
    "cp932": "shift_jis shift-jis sjis windows-31j ms_kanji x-sjis",
    "iso2022_jp": "iso-2022-jp",
    "cp949": "euc-kr korean ks_c_5601-1987 ksc5601 windows-949",
    "utf-16-le": "utf-16 utf-16le",
    "utf-16-be": "utf-16be",
}
_CODECS = {label: name for name, labels in _NAMES.items() for label in labels.split()}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

LOOKED_AT_BYTES = 1_024
MAX_TYPE_CHARACTERS = 1_000
# One class between `=` and the name: two that take blanks would try every way to share them.
_IN_HEADER = re.compile(r"charset\s*+=[\s\"']*+([^\s\"';,]{1,40})", re.IGNORECASE)
_IN_PAGE = re.compile(rb"<meta[^>]{0,400}?charset\s*+=[\s\"']*+([^\s\"'/>;]{1,40})", re.IGNORECASE)


def decode(body: bytes, content_type: str) -> str:
    """The text of a page, whatever it says of itself; what cannot be decoded is a replacement character."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    if (found := _IN_HEADER.search(content_type[:MAX_TYPE_CHARACTERS])) and (
        name := _CODECS.get(found[1].lower(), "")
    ):
        return body.decode(name, "replace")
    said = _IN_PAGE.search(body[:LOOKED_AT_BYTES])
    if said and (name := _CODECS.get(said[1].decode("latin-1").lower(), "")):
        # Whoever could read this in ASCII cannot be in UTF-16 (WHATWG HTML, 13.2.3.2).
        return body.decode("utf-8" if name.startswith("utf-16") else name, "replace")
    try:
        # A body may be cut within a character: only what comes before its end decides.
        return codecs.getincrementaldecoder("utf-8")("strict").decode(body)
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")
