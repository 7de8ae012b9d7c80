from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from delinkcious import edge


def handshake(folder: Path, server_name: str) -> None:
    """A TLS connection over loopback, verified against the folder's authority alone."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    client = ssl.create_default_context(cafile=str(edge.authority_file(folder)))
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=server_name).close()
    finally:
        ours.close()
        thread.join(10)


def test_a_client_that_trusts_the_authority_trusts_names_and_addresses(tmp_path: Path) -> None:
    edge.server_certificate(tmp_path, ["localhost", "127.20.0.2"])
    handshake(tmp_path, "localhost")
    handshake(tmp_path, "127.20.0.2")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "127.20.0.3")


def test_the_same_hosts_get_the_same_certificate_again_and_others_a_new_one(tmp_path: Path) -> None:
    first = edge.server_certificate(tmp_path, ["127.20.0.2"])
    assert edge.server_certificate(tmp_path, ["127.20.0.2"]) == first
    other = edge.server_certificate(tmp_path, ["127.21.0.2"])
    assert other != first
    handshake(tmp_path, "127.21.0.2")


def test_a_lost_authority_is_made_anew_with_its_certificates(tmp_path: Path) -> None:
    first = edge.server_certificate(tmp_path, ["localhost"])
    (tmp_path / "ca.key").unlink()
    assert edge.server_certificate(tmp_path, ["localhost"]) != first
    handshake(tmp_path, "localhost")


def test_nobody_else_can_read_the_keys(tmp_path: Path) -> None:
    edge.server_certificate(tmp_path, ["localhost"])
    for name in ("ca.key", "server.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
