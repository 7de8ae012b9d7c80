"""Whom load may be sent to: this machine, or what somebody says to own. Load on others is an attack."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

OWNED = "--i-own-this-host"


class Refused(Exception):
    """Why no load is sent there."""


def check(url: str, *, owned: bool) -> list[str]:
    """The addresses of the target. Raises Refused unless every one of them is a loopback one, or it is owned.

    A name is resolved, and may have addresses of both families: all of them count.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("a target is like https://127.0.0.1:8443") from None
    if parts.username is not None or parts.password is not None:
        raise Refused("a target has no name or password in it: accounts are made by the load itself")
    if parts.scheme not in ("http", "https") or not host:
        raise Refused(f"a target is like https://127.0.0.1:8443, not {url!r}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(f"{host} is not known: {error}") from None
    addresses = sorted({str(entry[4][0]) for entry in found})
    foreign = [address for address in addresses if not is_loopback(address)]
    if foreign and not owned:
        raise Refused(
            f"{host} is not this machine ({foreign[0]}): load is sent there with {OWNED} only, if it is yours"
        )
    return addresses


def is_loopback(address: str) -> bool:
    """Whether an address (v4, v6, or v4 written as v6) is this machine's own; a zone counts for nothing."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def is_loopback_name(host: str) -> bool:
    """The same of a name, if all its addresses are known and loopback ones."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(map(is_loopback, found))
