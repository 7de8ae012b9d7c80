"""Loopback blocks: exclusive while a mesh runs, the same one when it returns."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mesh.local.runtime import addresses
from mesh.local.runtime.addresses import Block
from mesh.local.runtime.state import State

Claim = Callable[[str], Block]


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Claim]:
    """Claims the block of the state folder of that name; all are released after the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    held: list[Block] = []

    def take(name: str) -> Block:
        state = State(tmp_path / name)
        state.create()
        held.append(addresses.claim(state))
        return held[-1]

    yield take
    for block in held:
        block.release()


def test_two_meshes_have_different_blocks(claim: Claim) -> None:
    assert claim("one").number != claim("two").number


def test_a_mesh_returns_to_its_block_and_its_pods_to_their_addresses(claim: Claim) -> None:
    one = claim("one")
    pairs = [one.take(name) for name in ("a", "b")]
    one.release()
    assert claim("two").number != one.number, "a block that somebody will return to is left to him"
    again = claim("one")
    assert again.number == one.number
    assert [again.take(name) for name in ("b", "a")] == pairs[::-1]


def test_a_block_of_a_removed_state_folder_is_given_again(claim: Claim, tmp_path: Path) -> None:
    one = claim("one")
    one.release()
    (tmp_path / "one" / "block").unlink()
    assert claim("two").number == one.number


def test_pod_and_process_have_addresses_of_their_own(claim: Claim) -> None:
    block = claim("one")
    given = [address for name in "abc" for address in (block.take(name).pod, block.take(name).app)]
    assert len(set(given)) == 6
    assert all(address.startswith(f"127.{block.number}.") for address in given)


def test_a_port_that_a_wildcard_listener_holds_is_named(claim: Claim) -> None:
    pair = claim("one").take("a")
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104 - what a careless program does
        why = addresses.taken(pair.pod, listener.getsockname()[1])
    assert why is not None
    assert "0.0.0.0" in why  # noqa: S104
