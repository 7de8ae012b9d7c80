"""What the checker may be told, and what it refuses to be told."""

from __future__ import annotations

import ipaddress

import pytest

from services.kit.settings import InvalidSettings, load
from services.link_checker.settings import UNSAFE, CheckerSettings


def test_by_default_nothing_is_reachable_that_is_not_public() -> None:
    guard = load(CheckerSettings, {}).guard()
    assert guard.ports == {80, 443}
    assert not guard.UNSAFE_reachable_in_tests
    for text in ("127.0.0.1", "10.0.0.1", "::1", "169.254.169.254"):
        assert guard.refusal(ipaddress.ip_address(text), 80)


def test_the_network_is_not_opened_by_accident() -> None:
    opening = {"UNSAFE_TEST_REACHABLE": "127.0.0.1:8080"}
    for consent in ("", "true", "yes"):
        with pytest.raises(InvalidSettings, match="for tests"):
            load(CheckerSettings, opening | {"UNSAFE_TEST_CONSENT": consent}).guard()
    guard = load(CheckerSettings, opening | {"UNSAFE_TEST_CONSENT": UNSAFE}).guard()
    assert guard.UNSAFE_reachable_in_tests == {("127.0.0.1", 8080)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"REFUSED_NETWORKS": "10.0.0.0/33"},
        {"UNSAFE_TEST_REACHABLE": "localhost:80", "UNSAFE_TEST_CONSENT": UNSAFE},
        {"ALLOWED_PORTS": "80,https"},
        {"ALLOWED_PORTS": ""},
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(wrong))):
        load(CheckerSettings, wrong).guard()


def test_ones_own_public_networks_can_be_refused() -> None:
    guard = load(CheckerSettings, {"REFUSED_NETWORKS": "93.184.216.0/24, 2606:2800::/32"}).guard()
    assert guard.refusal(ipaddress.ip_address("93.184.216.34"), 80)
    assert guard.refusal(ipaddress.ip_address("2606:2800::1"), 80)
    assert guard.refusal(ipaddress.ip_address("93.184.217.34"), 80) is None
