"""What is inside of a pod, by its address in every spelling."""

from __future__ import annotations

import re

import pytest

from mesh.local import inside

PROCESSES = [
    "127.20.128.5",
    "127.254.255.1",
    "::ffff:127.20.128.5",
    "[::ffff:7f14:8005]",
    "127.20.32773",
    "0x7f.20.0200.5",
    "2132049925",
    "127.20.128.5.",
]
OTHERS = ["127.20.0.5", "127.0.200.1", "10.20.128.5", "::1", "::ffff:10.20.128.5", "api.example.com", "", "5"]


@pytest.mark.parametrize("address", PROCESSES)
def test_the_process_of_a_pod_is_inside_of_it_at_every_port(address: str) -> None:
    assert inside.is_process(address)
    assert inside.is_inside(address, 80)


@pytest.mark.parametrize("address", OTHERS)
def test_other_addresses_lead_to_no_process(address: str) -> None:
    assert not inside.is_process(address)
    assert not inside.is_inside(address, 80)


@pytest.mark.parametrize("port", inside.PROXY_PORTS)
def test_a_proxys_own_ports_are_inside_of_its_pod(port: int) -> None:
    assert inside.is_inside("127.20.0.5", port)
    assert not inside.is_inside("127.0.0.1", port)
    assert not inside.is_inside("10.20.0.5", port)


def test_the_patterns_say_the_same_of_what_envoy_and_requests_say() -> None:
    within = ["127.20.128.5:80", "127.254.255.1:80", "127.20.0.5:15000", "127.1.0.5:15002"]
    without = ["127.20.0.5:8080", "127.0.128.5:80", "127.0.0.1:15000", "10.20.128.5:80", "127.20.0.5:150000"]
    for pattern in map(re.compile, (inside.SOCKETS, inside.AUTHORITIES)):
        assert all(map(pattern.fullmatch, within))
        assert not any(map(pattern.fullmatch, without))
    mapped = [f"[::ffff:{text.replace(':', ']:')}" for text in within]
    assert all(re.fullmatch(inside.SOCKETS, text) for text in mapped)
