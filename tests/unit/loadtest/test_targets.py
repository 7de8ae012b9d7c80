"""Load is for this machine: everything else is refused, in both families, by name and by number."""

from __future__ import annotations

import socket

import pytest

from loadtest import targets

Found = list[tuple[int, int, int, str, tuple[str, int]]]


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Names resolve to these addresses."""

    def resolve(host: str, port: int | None, **_: object) -> Found:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.157.0.6", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_a_target(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    answering(monkeypatch, address)
    assert targets.check("https://delinkcious.test:8443", owned=False) == [address]


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.1",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - nobody binds to it here
        "::",
        "2001:db8::1",
        "fe80::1%eth0",
        "::ffff:192.0.2.1",
        "169.254.169.254",
    ],
)
def test_another_machine_is_refused_without_a_word_that_it_is_owned(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    answering(monkeypatch, address)
    with pytest.raises(targets.Refused, match="--i-own-this-host"):
        targets.check("https://delinkcious.test", owned=False)
    assert targets.check("https://delinkcious.test", owned=True) == [address]


@pytest.mark.parametrize("others", [("127.0.0.1", "2001:db8::1"), ("::1", "192.0.2.1")])
def test_a_name_with_one_foreign_address_is_foreign(
    monkeypatch: pytest.MonkeyPatch, others: tuple[str, str]
) -> None:
    answering(monkeypatch, *others)
    with pytest.raises(targets.Refused, match="is not this machine"):
        targets.check("https://delinkcious.test", owned=False)
    assert not targets.is_loopback_name("delinkcious.test")


@pytest.mark.parametrize(
    "url",
    ["", "delinkcious.test", "ftp://127.0.0.1", "https://", "https://ada:secret@127.0.0.1", "https://[::1"],
)
def test_what_is_no_address_is_refused_and_nothing_secret_repeated(url: str) -> None:
    with pytest.raises(targets.Refused) as raised:
        targets.check(url, owned=True)
    assert "secret" not in str(raised.value)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Found:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(targets.Refused, match="is not known"):
        targets.check("https://delinkcious.test", owned=True)
