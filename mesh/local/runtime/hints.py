"""What a process's last words mean on the local mesh, where a program from a container is a newcomer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import psutil

from mesh.local.runtime.process import Command

_IN_USE = re.compile(r"address (?:is )?already in use|EADDRINUSE", re.IGNORECASE)
# What may be a file of one's own: `app.py`, `bin/serve`.
_FILE = re.compile(r"(?=[\w./-]{3,255}$)(?:.*/.*|.*\.\w+)")


WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - who listens there is reached


def hints(command: Command, lines: Sequence[str]) -> Iterator[str]:
    """One line for each thing that a newcomer would not guess."""
    if any(_IN_USE.search(line) for line in lines):
        host, port = command.env.get("HOST", ""), command.env.get("PORT", "")
        address = f"{host}:{port}" if port else host
        yield (
            "hint: its sidecar owns the port on the pod's address: listen on $HOST:$PORT "
            f"(here {address}); `command` and `args` may say $(HOST), $(PORT)"
        )
    for part in command.argv:
        written = _FILE.fullmatch(part) and not part.startswith("/") and any(part in line for line in lines)
        if written and not (command.cwd / part).exists():
            yield (
                f"hint: {part} is not in {command.cwd}, where commands run: the folder in which "
                "the mesh was started, unless the container has a `workingDir`"
            )


def astray(command: Command, pid: int) -> str:
    """Where a process listens that nobody asks, because it did not look at HOST; "" when it does not."""
    host, port = command.env.get("HOST", ""), command.env.get("PORT", "")
    listening = set()
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            listening |= {
                (found.laddr.ip, str(found.laddr.port))
                for found in member.net_connections(kind="tcp")
                if found.status == psutil.CONN_LISTEN
            }
    except psutil.Error:  # it has just ended
        return ""
    there = {address for address, number in listening if number == port}
    elsewhere = sorted(there - {host, *WILDCARDS})
    if not elsewhere or there & {host, *WILDCARDS}:
        return ""
    return f"; it listens on {elsewhere[0]}:{port}: let it listen on $HOST:$PORT (here {host}:{port})"
