"""What is said when standard output cannot be written, as on a full disk: that is no answer of a command's.

A command that compares or judges says 1 when it has found something. So trouble with the output is 2, as of
diff and grep; where nobody reads any more, as behind `head`, there is nobody to tell.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

import click

FAILED = 2


class Unwritable(OSError):
    """Standard output takes nothing more."""


class Unread(Unwritable, BrokenPipeError):
    """Nobody reads it any more."""


class _Raw(io.FileIO):
    """Tells trouble of this file from that of every other."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise Unread(error.errno, error.strerror) from None
        except OSError as error:
            raise Unwritable(error.errno, error.strerror) from None


def told_apart(stream: TextIO) -> TextIO:
    """The same stream, whose trouble is `Unwritable`."""
    if not isinstance(stream, io.TextIOWrapper):  # a test's, or none
        return stream
    raw = io.BufferedWriter(_Raw(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        raw,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def give_up(error: OSError) -> None:
    """End with one line for people. What is still to be written goes nowhere, also when the program ends."""
    if isinstance(error, Unwritable):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    if not isinstance(error, BrokenPipeError):
        what = "standard output" if isinstance(error, Unwritable) else error.filename or "an output"
        with contextlib.suppress(OSError):  # standard error may be as full
            click.echo(f"Error: {what} cannot be written: {error.strerror or error}", err=True)
    sys.exit(FAILED)
