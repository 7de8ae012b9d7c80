"""Where the load goes, and what can be looked at there: traces, pages, processes of an installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from delinkcious import local
from delinkcious.asking import UNREACHABLE, Failed
from delinkcious.session import SessionFile, checked, default_server, local_authority
from delinkcious.tracing import OPERATOR
from loadtest import targets
from mesh.local.runtime.state import State


@dataclass(frozen=True)
class Target:
    """A server. `state` is None for one that does not run here; `jaeger` and `console` are "" without one.

    `source` is the address to come from: of somebody who may have requests traced.
    """

    url: str
    ca: str = ""
    source: str = ""
    state: State | None = None
    jaeger: str = ""
    console: str = ""
    owned: bool = False

    def pages(self, trace_id: str) -> list[str]:
        """Where a person looks at a trace."""
        if self.console:  # a Jaeger that was built on this machine has no pages
            return [f"{self.console}traces/{trace_id}"]
        return [f"{self.jaeger.rstrip('/')}/trace/{trace_id}"] if self.jaeger else []


def find(server: str | None, state: Path | None, jaeger: str | None, *, owned: bool) -> Target:
    """The server that is meant: `server`, else an installation of this machine, as other commands find it.

    Raises Failed or UsageError when there is none, or when it is none that load may be sent to.
    """
    here = _local(state)
    if server is None and state is not None and here is None:
        raise Failed(f"nothing runs in {state}: delinkcious up --state {state} starts it", UNREACHABLE)
    named = server or (here.url if here else default_server(SessionFile()))
    try:
        targets.check(named, owned=owned)
    except targets.Refused as error:
        raise click.UsageError(str(error)) from None
    url = checked(named)
    if here is not None and here.url == url:
        return Target(url, here.ca, here.source, here.state, jaeger or here.jaeger, here.console)
    authority = local_authority() if targets.is_loopback_name(urlsplit(url).hostname or "") else None
    return Target(url, str(authority or ""), jaeger=jaeger or "", owned=owned)


def _local(state: Path | None) -> Target | None:
    """The installation of this checkout, or of `state`, when it runs."""
    try:
        url = local.ingress_url(state)
        authority = local.authority_file(state)
    except LookupError:
        return None
    return Target(
        url,
        str(authority),
        OPERATOR,
        local.state(state),
        _where(lambda: local.tool_url("jaeger", state)),
        _where(lambda: local.console_url(state)),
    )


def _where(look: Callable[[], str]) -> str:
    try:
        return look()
    except LookupError:
        return ""
