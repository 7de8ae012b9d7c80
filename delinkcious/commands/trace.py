"""`delinkcious trace`: a request, or a trace that is known, as a tree with times and its critical path."""

from __future__ import annotations

import re
import sys
from typing import Any

import click
import httpx
import msgspec

from delinkcious import local, trace_tree, tracing
from delinkcious.asking import Failed, output_option, run, server_option
from delinkcious.session import connect
from delinkcious.terminal import console, shown
from delinkcious.tracing import Answer, Ask, Found
from mesh.console.jaeger import is_page
from telemetry.jaeger import JaegerUnavailable, open_jaeger
from telemetry.traces import read

TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
LOOK_TIMEOUT_S = 2.0


@click.command()
@click.argument("target", metavar="URL|TRACE_ID")
@click.option("-X", "--request", "method", metavar="METHOD", help="How to ask [default: GET, with -d POST].")
@click.option(
    "-d", "--data", help="Send this (JSON, unless -H says otherwise); @FILE: a file, @-: what comes in."
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send this header.")
@click.option("--jaeger", metavar="URL", help="Where Jaeger answers [default: the one of this installation].")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 300),
    default=20.0,
    show_default=True,
    help="Seconds that the trace may take to be whole.",
)
@output_option
@server_option
def trace(
    target: str,
    method: str | None,
    data: str | None,
    headers: tuple[str, ...],
    jaeger: str | None,
    wait_s: float,
    output: str,
    server: str | None,
) -> None:
    """Send a request and show its trace; or show a trace by its id.

    The request goes through the ingress as whoever is signed in, and is sampled whatever the share is; URL
    may be a path (/api/v1/links). The id of a trace stands in every log line and in every problem that a
    service answers. ● marks what the answer waited for, ○ what came of it later.
    """
    trace_id = _trace_id(target)
    if trace_id and (method or data is not None or headers):
        raise click.UsageError("-X, -d and -H are for a request; this is the id of a trace")
    ask = None if trace_id else _ask(target, method, data, headers)
    found, answer, pages = run(_find(trace_id, ask, jaeger, wait_s, server))
    if found is None:
        asked = "" if answer is None else _said(answer) + "\n"
        raise Failed(
            f"{asked}Jaeger has nothing of {trace_id or (answer.trace_id if answer else '')} after"
            f" {wait_s:g} s; was it sampled?"
        )
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(_document(found, answer, pages))))
    else:
        _print(found, answer, pages)


async def _find(
    trace_id: str, ask: Ask | None, jaeger: str | None, wait_s: float, server: str | None
) -> tuple[Found | None, Answer | None, list[str]]:
    try:
        base = jaeger or local.tool_url("jaeger")
        async with open_jaeger(base) as there:
            answer = None
            if ask is not None:
                # Before anything is sent: a request that nobody can look at would be for nothing.
                await there.services()
                async with connect(server, source=tracing.OPERATOR) as delinkcious:
                    answer = await tracing.send(delinkcious, ask)
                trace_id = answer.trace_id
            pages = [] if jaeger else _console(trace_id)
            if jaeger or await _has_pages(base):
                pages.append(there.page(trace_id))
            return await tracing.find(there, trace_id, wait_s), answer, pages
    except LookupError as error:
        raise Failed(f"{shown(str(error))}; --jaeger names another") from None
    except JaegerUnavailable as error:
        raise Failed(shown(str(error)), exit_code=4) from None
    except ValueError as error:
        raise click.UsageError(shown(str(error))) from None


def _console(trace_id: str) -> list[str]:
    """Where the console shows a trace, when one runs."""
    try:
        return [f"{local.console_url()}traces/{trace_id}"]
    except LookupError:
        return []


async def _has_pages(base: str, transport: httpx.AsyncBaseTransport | None = None) -> bool:
    """One that was built on this machine has none."""
    try:
        async with httpx.AsyncClient(timeout=LOOK_TIMEOUT_S, trust_env=False, transport=transport) as client:
            return is_page((await client.get(base)).content)
    except httpx.HTTPError:
        return False


def _trace_id(target: str) -> str:
    """The id that `target` is or, as a `traceparent`, has in it; "" for an address."""
    if TRACE_ID.fullmatch(target):
        return target.lower()
    context = read(target)
    return "" if context is None else f"{context.trace_id:032x}"


def _ask(target: str, method: str | None, data: str | None, headers: tuple[str, ...]) -> Ask:
    if not target.startswith(("/", "http://", "https://")):
        raise click.UsageError(f"{target!r} is neither an address, nor a path, nor the id of a trace")
    named = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"a header is like 'Name: value', not {header!r}")
        named[name.strip()] = value.strip()
    body = None if data is None else _body(data)
    return Ask(target, (method or ("GET" if body is None else "POST")).upper(), body, named)


def _body(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    with open(data[1:], "rb") as file:
        return file.read()


def _said(answer: Answer) -> str:
    who = f"as {answer.username}" if answer.username else "as a stranger"
    return f"{answer.method} {shown(answer.url)} {who}: {answer.status} after {answer.seconds * 1e3:.0f} ms"


def _document(found: Found, answer: Answer | None, pages: list[str]) -> dict[str, Any]:
    asked = {} if answer is None else {"request": {"method": answer.method, "status": answer.status}}
    return {**asked, "whole": found.whole, "pages": pages, **trace_tree.document(found.trace)}


def _print(found: Found, answer: Answer | None, pages: list[str]) -> None:
    printed = console()
    if answer is not None:
        printed.print(_said(answer), markup=False, highlight=False)
    printed.print(trace_tree.table(found.trace))
    told = trace_tree.document(found.trace)
    services = ", ".join(map(shown, found.trace.services))
    printed.print(
        f"\n{told['span_count']} spans of {len(found.trace.services)} services ({services})",
        f"answered after {told['answered_ms']:.1f} ms, over after {told['took_ms']:.1f} ms",
        *pages,
        sep="\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if not found.whole:
        click.echo("It may not be whole: parents are missing, or spans still came.", err=True)
