"""The layout of a mesh's loopback block 127.N.0.0/16, which tells pods from what is behind them (pure).

Pod IPs are in the lower half, in the upper half the addresses where their processes listen.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

COMMON = IPv4Network("127.0.0.0/16")  # everybody's, no mesh's
PODS = 2**15 - 2  # in each half, without the first two addresses: the net's and the claim's


def pod(block: int, number: int) -> str:
    """The IP of pod `number`, which is 1 to PODS."""
    return str(_base(block) + number + 1)


def application(block: int, number: int) -> str:
    """Where the process of pod `number` listens."""
    return str(_base(block) + 2**15 + number + 1)


def applications(address: str) -> IPv4Network:
    """The half that only sidecars send to, of the block that an address belongs to."""
    return list(IPv4Network(f"{address}/16", strict=False).subnets(1))[1]


def _base(block: int) -> IPv4Address:
    return IPv4Address(f"127.{block}.0.0")
