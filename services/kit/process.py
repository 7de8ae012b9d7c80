"""How the process of a service, or of one of its commands, begins and fails.

Exit codes: 0 done, or stopped as told; 1 failed; 2 wrong settings or arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from services.kit import settings as settings_
from services.kit.settings import InvalidSettings, ServiceSettings
from telemetry import logs

S = TypeVar("S", bound=ServiceSettings)


def begin(package: str, kind: type[S]) -> S:
    """The settings of a process of `package` (`services.links`), whose log is set up by them.

    Raises InvalidSettings.
    """
    settings = settings_.load(kind)
    service = package.rpartition(".")[2].replace("_", "-")
    pod = {"pod": settings.pod_name} if settings.pod_name else {}
    logs.configure(settings.log_level, service=service, version=settings.service_version, **pod)
    return settings


@contextmanager
def ending(package: str, *failures: type[Exception]) -> Iterator[None]:
    """Do the work of a process in the block, and exit; wrong settings and `failures` are one line each."""
    try:
        yield
    except InvalidSettings as error:
        sys.stderr.write(f"{package}: {error}\n")
        sys.exit(2)
    except failures as error:
        sys.stderr.write(f"{package}: {error}\n")
        sys.exit(1)
    sys.exit(0)
