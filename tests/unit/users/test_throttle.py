from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import TooManyRequests
from services.users.throttle import (
    ACCOUNT_CEILING,
    ACCOUNT_FREE,
    MAX_DELAY,
    Slowing,
    client_address,
    slow_down,
)


@pytest.mark.parametrize(
    ("forwarded_for", "proxies", "address"),
    [
        ("203.0.113.7", 1, "203.0.113.7"),
        ("10.9.8.7, 203.0.113.7", 1, "203.0.113.7"),
        ("10.9.8.7,203.0.113.7, 192.0.2.1", 2, "203.0.113.7"),
        ("203.0.113.7", 2, "192.0.2.99"),
        ("203.0.113.7", 0, "192.0.2.99"),
        (None, 1, "192.0.2.99"),
        ("", 1, "192.0.2.99"),
        ("2001:db8:1:2:3:4:5:6", 1, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", 1, "203.0.113.7"),
        ("not an address", 1, "unknown"),
    ],
)
def test_the_address_is_the_one_that_our_own_edge_saw(
    forwarded_for: str | None, proxies: int, address: str
) -> None:
    assert client_address(forwarded_for, "192.0.2.99", proxies) == address


@given(st.text(max_size=60))
def test_what_a_client_writes_itself_never_counts(written: str) -> None:
    assert client_address(f"{written}, 203.0.113.7", "192.0.2.99", 1) == "203.0.113.7"


@given(st.floats(0, 1_000), st.floats(0, 1_000))
def test_the_delay_grows_with_the_attempts_and_is_bounded(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert dt.timedelta() <= slow_down(low) <= slow_down(high) <= MAX_DELAY


def test_ordinary_mistakes_cost_no_delay() -> None:
    assert slow_down(ACCOUNT_FREE) == dt.timedelta()
    assert slow_down(ACCOUNT_CEILING) == MAX_DELAY


@pytest.mark.anyio
async def test_those_who_wait_cannot_fill_the_service() -> None:
    slowing = Slowing(1)
    waited = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        with pytest.raises(TooManyRequests):
            await slowing.wait(MAX_DELAY)
        await slowing.wait(dt.timedelta())

    slowing._sleep = sleep
    for _ in range(2):
        await slowing.wait(MAX_DELAY)
    assert waited == [4.0, 4.0]
