"""A server outside of the mesh, which a ServiceEntry may lead to."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.mesh.conformance.platform import Credentials
from tests.mesh.conformance.workload import NAME

HOST = "127.0.0.1"
STARTED_WITHIN_S = 30.0
PROJECT = Path(__file__).parents[3]


class External:
    """The workloads' program on free ports; `values` are its address and ports as a case names them."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._ports = {kind: _free() for kind in ("http", "tls", "tcp")}
        self.values: dict[str, str | int] = {"EXTERNAL_IP": HOST}
        self.values |= {f"EXTERNAL_{kind.upper()}": port for kind, port in self._ports.items()}
        certificate, key = credentials.server("external.example.com", "localhost")
        files = {"CERTIFICATE": folder / "external.pem", "KEY": folder / "external.key"}
        files["CERTIFICATE"].write_text(certificate)
        files["KEY"].write_text(key)
        ports = " ".join(f"{kind}={port}" for kind, port in self._ports.items())
        env = {NAME: "external", "HOST": HOST, "PORTS": ports}
        env |= {name: str(file) for name, file in files.items()}
        command = [sys.executable, "-m", "tests.mesh.conformance.workload"]
        self._process = subprocess.Popen(command, env=env, cwd=PROJECT)

    def start(self) -> None:
        """Return once it listens."""
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not all(_listens(port) for port in self._ports.values()):
            assert self._process.poll() is None, "the external server has ended"
            assert time.monotonic() < deadline, "the external server does not listen"
            time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
