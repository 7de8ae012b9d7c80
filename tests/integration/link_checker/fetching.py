"""Fetchers for tests: they reach what they are given, and nothing else that is not public."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence

from services.link_checker.fetching.addresses import Address, Guard
from services.link_checker.fetching.errors import NameNotFound
from services.link_checker.fetching.fetcher import Fetcher, Limits
from services.link_checker.fetching.resolver import Resolver
from tests.integration.link_checker.site import Site


class NoNames:
    async def resolve(self, host: str) -> Sequence[Address]:
        raise NameNotFound(host)


def fetcher(
    *sites: Site,
    resolver: Resolver | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> Fetcher:
    guard = Guard(
        # A test must not go out, whatever is wrong with what it tests.
        also_refused=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")),
        UNSAFE_reachable_in_tests=frozenset(site.address for site in sites),
    )
    context = tls or ssl.create_default_context()
    return Fetcher(guard, resolver or NoNames(), limits or Limits(), context)
