"""Which addresses are the public internet's, by a table of its own.

`ipaddress.is_global` answers differently from one release of Python to the next; the registries it follows
(IANA's special-purpose addresses, RFC 6890 and its updates) are written out here instead. IPv6 is an
allow-list: global unicast less its special parts, so that no form that carries an IPv4 address inside
(mapped, compatible, NAT64, 6to4, Teredo, ISATAP) can be spoken to at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

HTTP_PORTS = frozenset((80, 443))

_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud platform (Azure)",
    "169.254.0.0/16": "link-local and cloud metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "IETF protocols",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT relays",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved and broadcast",
}
_V6_PUBLIC = IPv6Network("2000::/3")
_V6 = {
    "2001::/23": "IETF protocols, Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
# The interface identifier of ISATAP: 0000:5efe or 0200:5efe before an IPv4 address.
_ISATAP = frozenset((0x0000_5EFE, 0x0200_5EFE))

_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), why) for text, why in (_V4 | _V6).items()
)


@dataclass(frozen=True)
class Guard:
    """Where a fetch may go: public addresses, these ports.

    `also_refused`: further networks, such as the public addresses of one's own machines.
    `UNSAFE_reachable_in_tests`: pairs of address and port that no rule is asked about. It is for tests, whose
    servers are on loopback; nothing else may set it.
    """

    ports: frozenset[int] = HTTP_PORTS
    also_refused: tuple[Network, ...] = ()
    UNSAFE_reachable_in_tests: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    def refusal(self, address: Address, port: int) -> str | None:
        """Why nobody is sent to this address; None when it is public."""
        if (str(address), port) in self.UNSAFE_reachable_in_tests:
            return None
        return special(address, self.also_refused)

    def allows_port(self, port: int) -> bool:
        return port in self.ports or any(port == known for _, known in self.UNSAFE_reachable_in_tests)


def special(address: Address, also_refused: Iterable[Network] = ()) -> str | None:
    """What is special about an address; None when it is an ordinary public one."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "zone of a link"
        if address not in _V6_PUBLIC:
            return "not global unicast"
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return "ISATAP"
    for network, why in _REFUSED:
        if address.version == network.version and address in network:
            return why
    if any(address.version == network.version and address in network for network in also_refused):
        return "refused by the operator"
    return None
