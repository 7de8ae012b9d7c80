"""What a process's last words mean on the local mesh, where a program from a container is a newcomer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import psutil

from mesh.local.listening import LISTENS
from mesh.local.runtime.process import Command

_IN_USE = re.compile(r"address (?:is )?already in use|EADDRINUSE", re.IGNORECASE)
# What may be a file of one's own: `app.py`, `bin/serve`.
_FILE = re.compile(r"(?=[\w./-]{3,255}$)(?:.*/.*|.*\.\w+)")

Address = tuple[str, int]
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - who listens there is reached


def hints(command: Command, lines: Sequence[str]) -> Iterator[str]:
    """One line for each thing that a newcomer would not guess."""
    if any(_IN_USE.search(line) for line in lines):
        host, port = command.env.get("HOST", ""), command.env.get("PORT", "")
        address = f"{host}:{port}" if port else host
        yield (
            "hint: its sidecar owns the port on the pod's address: listen on $HOST:$PORT "
            f"(here {address}). {ways(port)}"
        )
    for part in command.argv:
        written = _FILE.fullmatch(part) and not part.startswith("/") and any(part in line for line in lines)
        if written and not (command.cwd / part).exists():
            yield (
                f"hint: {part} is not in {command.cwd}, where commands run: the folder in which "
                "the mesh was started, unless the container has a `workingDir`"
            )


def ways(port: str, elsewhere: str = "") -> str:
    """How a program that listens elsewhere is mended."""
    other = elsewhere or "127.0.0.1:5000"
    return (
        "Three ways: (1) let the program read HOST and PORT from its environment; (2) give it arguments, "
        "such as `--host $(HOST) --port $(PORT)` in `args`; (3) where it cannot be told, annotate the Pod "
        f'template with `{LISTENS}: "{port or 8080}={other}"`: the sidecar forwards there, for one such pod '
        'at a time, and `sidecar.istio.io/inject: "false"` does without a sidecar'
    )


def astray(expected: Sequence[Address], pid: int) -> str:
    """Where a process listens that nobody asks, because nobody told it; "" when it does not."""
    listening: set[Address] = set()
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            listening |= {
                (found.laddr.ip, found.laddr.port)
                for found in member.net_connections(kind="tcp")
                if found.status == psutil.CONN_LISTEN
            }
    except psutil.Error:  # it has just ended
        return ""
    return misplaced(expected, listening)


def misplaced(expected: Sequence[Address], listening: Collection[Address]) -> str:
    """The words about a process that listens, but at none of the addresses that are expected (pure)."""
    asked = {(name, port) for host, port in expected for name in (host, *WILDCARDS)}
    if not expected or not listening or asked & set(listening):
        return ""
    host, port = expected[0]
    # The right port of a wrong address tells most.
    found = min(listening, key=lambda one: (one[1] != port, one))
    place = f"{found[0]}:{found[1]}"
    there = f"let it listen on $HOST:$PORT (here {host}:{port})"
    return f"; it listens on {place}: {there}. {ways(str(port), place)}"
