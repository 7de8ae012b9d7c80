"""Loopback addresses: a block of 127.0.0.0/8 per mesh, two addresses of it per pod.

A block is claimed by a listening socket on its first address, held for the mesh's life. So the claim
has the right scope (the network namespace, whichever user) and ends with the process however it dies.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from mesh.local import block
from mesh.local.runtime import settings
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State, write_atomically

CLAIM_PORT = 15999
FIRST = 20  # 127.20.0.0/16; 127.0 is everybody's
BLOCKS = (*range(FIRST, 255), *range(1, FIRST))
REMEMBERED = 2_000  # addresses kept for pods that are gone


@dataclass(frozen=True)
class Pair:
    """`pod` is the pod IP, which the sidecar owns; `app` is where the process listens."""

    pod: str
    app: str


class Block:
    """A claimed block and the addresses given out of it; `release` ends the claim."""

    def __init__(self, number: int, claim: socket.socket, file: Path) -> None:
        self.number = number
        self._claim = claim
        self._file = file
        self._numbers: dict[str, int] = _read(file)
        self._used: set[str] = set()

    def take(self, owner: str) -> Pair:
        """The addresses of `owner`: those it had before, else fresh ones, else the longest unused."""
        number = self._numbers.pop(owner, None) or self._free()
        self._numbers[owner] = number
        self._used.add(owner)
        write_atomically(self._file, json.dumps(self._numbers))
        return Pair(block.pod(self.number, number), block.application(self.number, number))

    def give_back(self, owner: str) -> None:
        """The owner is gone; its addresses stay remembered for its return."""
        self._used.discard(owner)

    def release(self) -> None:
        self._claim.close()

    def _free(self) -> int:
        taken = set(self._numbers.values())
        if len(taken) < REMEMBERED or len(self._used) >= REMEMBERED:
            fresh = next((number for number in range(1, block.PODS + 1) if number not in taken), None)
            if fresh is not None:
                return fresh
        unused = next((owner for owner in self._numbers if owner not in self._used), None)
        if unused is None:
            raise MeshError(f"127.{self.number}.0.0/16 has no addresses left: {len(taken)} pods run")
        return self._numbers.pop(unused)


def claim(state: State) -> Block:
    """Claim the block that the mesh had before, else the first that nobody uses or remembers.

    Raises MeshError when every block is taken, or the machine does not answer for 127.0.0.0/8.
    """
    before = int(state.block.read_text()) if state.block.is_file() else None
    others = _remembered_by_others(state)
    order = [before] if before else []
    order += [number for number in BLOCKS if number not in others]
    order += [number for number in BLOCKS if number in others]
    for number in order:
        if (held := _bind(f"127.{number}.0.1")) is not None:
            if number != before:
                state.addresses.unlink(missing_ok=True)
                write_atomically(state.block, str(number))
            _remember(state, number)
            return Block(number, held, state.addresses)
    raise MeshError(f"all {len(BLOCKS)} loopback blocks are taken by running meshes; end one of them")


def _bind(address: str) -> socket.socket | None:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.bind((address, CLAIM_PORT))
        held.listen(1)
    except OSError as error:
        held.close()
        if error.errno == 99:  # EADDRNOTAVAIL
            raise MeshError(
                f"this machine has no address {address}; give the interface lo the whole net: "
                "ip address add 127.0.0.1/8 dev lo"
            ) from None
        return None
    return held


def _folder() -> Path:
    return settings.cache_folder() / "blocks"


def _remembered_by_others(state: State) -> set[int]:
    """Blocks of meshes that do not run now but still have their state folder."""
    folder = _folder()
    found = set()
    for link in folder.iterdir() if folder.is_dir() else ():
        if link.name.isdigit() and link.resolve() != state.folder:
            if (link / "block").is_file():
                found.add(int(link.name))
            else:
                link.unlink(missing_ok=True)
    return found


def _remember(state: State, number: int) -> None:
    link = _folder() / str(number)
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(state.folder)
    except OSError:
        return  # a cache that cannot be written costs only the preference


def _read(file: Path) -> dict[str, int]:
    try:
        return {str(owner): int(number) for owner, number in json.loads(file.read_text()).items()}
    except (FileNotFoundError, ValueError):
        return {}


def taken(address: str, port: int) -> str | None:
    """Why nothing could listen on `address:port` now; None when it could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except PermissionError:
            return f"port {port} is below 1024, which needs root; use a higher containerPort"
        except OSError as error:
            if error.errno == 98:  # EADDRINUSE: our own blocks are exclusive, so it is a wildcard listener
                return f"port {port} is taken by a program that listens on all addresses (0.0.0.0:{port})"
            return f"{address}:{port}: {error.strerror}"
    return None
