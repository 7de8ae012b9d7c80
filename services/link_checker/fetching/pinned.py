"""Connections to addresses that were judged, whatever name the client believes to connect to.

The client above is httpcore's; it asks its network for `host:port`, and gets a connection to one of the
addresses given here. The name stays what TLS verifies and the Host header says. No proxy variable is read on
this path: a proxy would resolve the name again, and a rebinding server would give it another answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from services.link_checker.fetching.addresses import Address

# Of a name's addresses: more would let a name with many dead ones hold a place for long.
MAX_ATTEMPTS = 3


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to `addresses` only, one after the other until one is there."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        last: Exception = httpcore.ConnectError("no address")
        for address in _mixed(self._addresses)[:MAX_ATTEMPTS]:
            try:
                stream = await self._backend.connect_tcp(str(address), port, timeout=timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
                continue
            if _peer(stream) == address:  # belt and braces: it is what the kernel says
                return stream
            await stream.aclose()
            last = httpcore.ConnectError(f"the connection is not to {address}")
        raise last

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("no local sockets here")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _peer(stream: httpcore.AsyncNetworkStream) -> Address | None:
    """The other end; None when it has gone already."""
    try:
        return ipaddress.ip_address(stream.get_extra_info("server_addr")[0])
    except (OSError, TypeError, ValueError):
        return None


def _mixed(addresses: Sequence[Address]) -> list[Address]:
    """IPv4 and IPv6 in turns, so that a machine without one of them still gets to the other."""
    fours = [address for address in addresses if address.version == 4]
    sixes = [address for address in addresses if address.version == 6]
    both = min(len(fours), len(sixes))
    turns = [address for pair in zip(fours, sixes, strict=False) for address in pair]
    return [*turns, *fours[both:], *sixes[both:]]
