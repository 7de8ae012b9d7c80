"""DNS, asked once for each hop; what it says is judged and then connected to, never asked for again."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from services.link_checker.fetching.addresses import Address, Guard
from services.link_checker.fetching.errors import NameNotFound, NameUnclear, Refused, RefusedAddress
from services.link_checker.fetching.targets import Target

# A lookup that hangs keeps its thread for as long as the system's resolver tries: some ten seconds.
THREADS = 32
TIMEOUT_S = 5.0
MAX_ADDRESSES = 32

_NO_SUCH_NAME = frozenset((socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)))


class Resolver(Protocol):
    """Gives every address of a name; raises NameNotFound or NameUnclear."""

    async def resolve(self, host: str) -> Sequence[Address]: ...


class SystemResolver:
    """The machine's own resolver, asked for the absolute name: no search domain is ever added."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dns")

    async def resolve(self, host: str) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await loop.run_in_executor(self._threads, _look_up, host + ".")
        except TimeoutError as error:
            raise NameUnclear(f"{host}: no answer") from error
        except socket.gaierror as error:
            if error.errno in _NO_SUCH_NAME:
                raise NameNotFound(host) from error
            raise NameUnclear(f"{host}: {error.strerror}") from error
        except (OSError, UnicodeError) as error:
            raise NameUnclear(f"{host}: {error}") from error
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def public_addresses(target: Target, resolver: Resolver, guard: Guard) -> Sequence[Address]:
    """Where a connection to `target` may go: all of its addresses, each of them judged.

    One address that is not public refuses them all: an honest name has none. Raises Refused, NameNotFound
    or NameUnclear.
    """
    if not guard.allows_port(target.port):
        raise Refused("port", str(target.port))
    if target.address is not None:
        if why := guard.refusal(target.address, target.port):
            raise Refused("address", why)
        return [target.address]
    addresses = await resolver.resolve(target.host)
    if not addresses:
        raise NameNotFound(target.host)
    if len(addresses) > MAX_ADDRESSES:
        raise RefusedAddress("address", "too many")
    for address in addresses:
        if why := guard.refusal(address, target.port):
            raise RefusedAddress("address", why)
    return addresses


def _look_up(host: str) -> Sequence[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [ipaddress.ip_address(text) for text in texts]
