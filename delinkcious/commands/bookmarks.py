"""`delinkcious import` and `export`: bookmark files in and out."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, get_args

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from delinkcious.asking import INTERRUPTED, Failed, output_option, run, server_option
from delinkcious.importing import UnfinishedImports, send
from delinkcious.session import connect
from services.links.bookmarks.messages import ExportFormat, ExportQuery, Import
from services.links.bookmarks.model import Options

LISTED = 10


@click.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--no-folders", is_flag=True, help="Do not make tags of the folders' names.")
@click.option("--private", is_flag=True, help="Make entries private that say nothing about it.")
@output_option
@server_option
def import_(files: tuple[str, ...], no_folders: bool, private: bool, output: str, server: str | None) -> None:
    """Import bookmark FILEs of browsers and services; `-` is standard input.

    Known by their content: HTML of Firefox, Chrome, Edge, Safari, Internet Explorer, Delicious, Pinboard,
    Shaarli, linkding and Pocket, Pinboard's JSON, Raindrop.io's CSV. An import that was interrupted goes on
    where it stopped when the same file is imported again; importing a file twice changes nothing.
    """
    options = Options(folders=not no_folders, private=private)
    reports: list[dict[str, Any]] = []
    failures = []
    for name in files:
        try:
            report = _import_one(name, options, server)
        except Failed as failure:
            if failure.exit_code != 1 or len(files) == 1:
                raise
            failures.append(f"{name}: {failure.message}")
            continue
        reports.append({"file": name, "report": msgspec.to_builtins(report)})
        if output == "text":
            _print_report(name, report)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(reports)))
    if failures:
        raise Failed("\n".join(failures))


def _import_one(name: str, options: Options, server: str | None) -> Import:
    console = Console(stderr=True)

    async def work(file: BinaryIO, bar: _Bar) -> Import:
        async with connect(server) as there:
            return await send(there, file, options, bar, UnfinishedImports())

    with _opened(name) as file, _Bar(console, name) as bar:
        try:
            return run(work(file, bar))
        except Failed as failure:
            if failure.exit_code == INTERRUPTED:
                raise Failed(
                    f"interrupted{bar.so_far()}; import {name} again to go on from there", INTERRUPTED
                ) from None
            raise


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The file, or what standard input or a pipe holds: it may have to be sent more than once."""
    with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        if name != "-" and file.seekable():
            yield file
            return
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(file, kept)
            kept.flush()
            yield kept


class _Bar:
    """The progress of one file: sent, read, then written link by link."""

    def __init__(self, console: Console, name: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(f"sending {Path(name).name}", unit="KiB", rate="", total=None)
        self._phase = "sending"
        self._last: Import | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def sent(self, bytes_sent: int, total_bytes: int) -> None:
        self._show("sending", bytes_sent // 1024, total_bytes // 1024, "KiB")

    def seen(self, state: Import) -> None:
        self._last = state
        if state.state == "reading":
            self._show("reading", state.bytes // 1024, (state.total_bytes or 0) // 1024, "KiB")
        elif state.contents is not None and state.state in ("writing", "done"):
            self._show("writing", state.handled, state.contents.links, "links")

    def so_far(self) -> str:
        if self._last is None or self._last.contents is None:
            return ""
        return f" after {self._last.handled:,} of {self._last.contents.links:,} links"

    def _show(self, phase: str, done: int, total: int, unit: str) -> None:
        if phase != self._phase:
            self._phase = phase
            self._progress.reset(self._task, total=total, description=phase, unit=unit)
        speed = self._progress.tasks[0].speed
        rate = "" if speed is None else f"{speed:,.0f} {unit}/s"
        self._progress.update(self._task, completed=done, total=total, rate=rate)


def _print_report(name: str, report: Import) -> None:
    contents = report.contents
    assert contents is not None  # noqa: S101 - a report has been read to its end
    click.echo(
        f"{name}: {contents.format}, {contents.entries:,} entries, {contents.links:,} links: "
        f"{report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{contents.skipped + report.refused:,} skipped"
    )
    skipped = [*contents.skipped_entries, *report.refused_entries]
    for entry in skipped[:LISTED]:
        click.echo(f"  entry {entry.place:,} skipped, {entry.reason}: {entry.url[:200]!r}")
    if (more := contents.skipped + report.refused - min(LISTED, len(skipped))) > 0:
        click.echo(f"  {more:,} more skipped; -o json lists the first 1,000 of each kind")
    for cut in contents.shortened_entries[:LISTED]:
        click.echo(f"  entry {cut.place:,} shortened to what a link may hold: {cut.url[:200]!r}")
    if (more := contents.shortened - min(LISTED, len(contents.shortened_entries))) > 0:
        click.echo(f"  {more:,} more shortened")


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(get_args(ExportFormat)),
    default="netscape",
    show_default=True,
    help="netscape is the HTML that every browser imports.",
)
@click.option(
    "-O", "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Instead of stdout."
)
@server_option
def export(kind: ExportFormat, output_file: Path | None, server: str | None) -> None:
    """Write all your links as a bookmark file: HTML for browsers, Pinboard's JSON, or Raindrop.io's CSV."""

    async def work(out: BinaryIO) -> None:
        async with connect(server) as there:
            async for piece in there.links.export(ExportQuery(format=kind)):
                out.write(piece)
            out.flush()

    if output_file is None:
        run(work(sys.stdout.buffer))
        return
    if output_file.exists() and not output_file.is_file():
        # A pipe or a device cannot be replaced.
        with output_file.open("wb") as out:
            run(work(out))
        return
    # Next to its place, so that it gets there whole or not at all.
    target = output_file.resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            run(work(out))
            os.fsync(out.fileno())
        partial.replace(target)
        click.echo(f"Written to {output_file}.", err=True)
    except OSError as error:
        raise Failed(f"{output_file}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
