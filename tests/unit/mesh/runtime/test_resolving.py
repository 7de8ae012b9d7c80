"""What DNS has for names, as far as it says so in time."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from mesh.local.runtime import resolving


def test_names_are_resolved_that_somebody_answers_for_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if name == "gone.example.com":
            raise socket.gaierror("unknown")
        if name == "silent.example.com":
            never.wait()
        return [(2, 1, 6, "", (address, 0)) for address in ("10.0.0.2", "10.0.0.1", "10.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(resolving, "WITHIN_S", 0.2)
    try:
        names = {f"{name}.example.com" for name in ("gone", "silent", "there")}
        assert resolving.addresses(names) == {"there.example.com": ["10.0.0.1", "10.0.0.2"]}
    finally:
        never.set()
