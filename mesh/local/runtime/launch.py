"""Becomes a program that dies with its supervisor: `launch.py SUPERVISOR_PID PROGRAM ARGUMENT...`.

Run as a script with `-I -S`, between the fork and the program, because code that runs in a forked
child of a threaded process may deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # a shell's exit codes


def main() -> int:
    supervisor, program, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(supervisor):  # it died before the line above
        return 1
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is the point
    except FileNotFoundError:
        sys.stderr.write(f"{program}: no such program in PATH or in {os.getcwd()}, where it was started\n")
        return NOT_FOUND
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        return NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main())
