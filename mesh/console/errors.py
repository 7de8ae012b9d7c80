"""What keeps a page from showing what it should, as sentences for its reader.

Unshown
├── Away       somebody does not answer, for now
├── NotThere   nothing has that name
└── Wrong      the question is none
"""

from __future__ import annotations


class Unshown(Exception):
    """The text is a sentence."""

    status = 500


class Away(Unshown):
    status = 503


class NotThere(Unshown):
    status = 404


class Wrong(Unshown):
    status = 400
