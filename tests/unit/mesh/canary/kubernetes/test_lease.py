"""Who drives, on a server in memory that knows versions only."""

from __future__ import annotations

import copy
from typing import Any

import anyio
import pytest

from mesh.canary.kubernetes.lease import Lease, LeaseLost
from mesh.canary.platform import Away, Conflict, NotFound

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


class Server:
    """One Lease, written under the condition of its version."""

    namespace = "app"

    def __init__(self) -> None:
        self.body: Json | None = None
        self.away = False

    async def get(self, kind: Any, name: str) -> Json:
        self._ask()
        if self.body is None:
            raise NotFound("no lease")
        return copy.deepcopy(self.body)

    async def create(self, kind: Any, body: Json) -> Json:
        self._ask()
        if self.body is not None:
            raise Conflict("exists")
        return self._store(body, "1")

    async def replace(self, kind: Any, body: Json) -> Json:
        self._ask()
        assert self.body is not None
        version = self.body["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            raise Conflict("changed")
        return self._store(body, str(int(version) + 1))

    def _ask(self) -> None:
        if self.away:
            raise Away("silent")

    def _store(self, body: Json, version: str) -> Json:
        self.body = copy.deepcopy(body)
        self.body["metadata"]["resourceVersion"] = version
        return copy.deepcopy(self.body)


@pytest.fixture
def server() -> Server:
    return Server()


# Long enough for a machine that stands still for a second or two: that is no lease that ends.
DURATION_S, RENEW_S = 4.0, 0.1


async def renewed(server: Server) -> None:
    """Wait for more renewals than fit into a lease's duration."""
    with anyio.fail_after(60):
        for _ in range(round(1.5 * DURATION_S / RENEW_S)):
            assert server.body is not None
            before = server.body["metadata"]["resourceVersion"]
            while server.body["metadata"]["resourceVersion"] == before:  # noqa: ASYNC110 - another object's state
                await anyio.sleep(0.01)


def lease(server: Server, holder: str) -> Lease:
    return Lease(server, holder, duration_s=DURATION_S, renew_s=RENEW_S)  # type: ignore[arg-type]


class Work:
    """Notes that it goes on, until it is cut off."""

    def __init__(self) -> None:
        self.began = anyio.Event()

    async def __call__(self) -> None:
        self.began.set()
        await anyio.sleep_forever()


async def test_one_drives_and_the_next_when_it_has_gone(server: Server) -> None:
    one, two = lease(server, "one"), lease(server, "two")
    first, second = Work(), Work()
    async with anyio.create_task_group() as group:
        inner = anyio.CancelScope()

        async def drive() -> None:
            with inner:
                await one.while_held(first)

        group.start_soon(drive)
        await first.began.wait()
        assert one.held
        one.demand()
        group.start_soon(two.while_held, second)
        await renewed(server)
        assert not second.began.is_set()
        with pytest.raises(Away, match="another controller may drive"):
            two.demand()
        inner.cancel()
        with anyio.fail_after(60):
            await second.began.wait()
        assert server.body is not None
        assert server.body["spec"]["holderIdentity"] == "two"
        assert server.body["spec"]["leaseTransitions"] == 1
        group.cancel_scope.cancel()


async def test_what_cannot_be_renewed_is_lost_before_another_may_have_it(server: Server) -> None:
    one, work = lease(server, "one"), Work()
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        async with anyio.create_task_group() as group:

            async def fall_silent() -> None:
                await work.began.wait()
                server.away = True

            group.start_soon(fall_silent)
            with anyio.fail_after(DURATION_S):
                try:
                    await one.while_held(work)
                except LeaseLost as lost:
                    failed = lost
            group.cancel_scope.cancel()
        raise failed
    assert not one.held


async def test_a_lease_that_somebody_took_is_lost_and_left_alone(server: Server) -> None:
    one, work = lease(server, "one"), Work()
    async with anyio.create_task_group() as group:

        async def take() -> None:
            await work.began.wait()
            assert server.body is not None
            server.body["spec"]["holderIdentity"] = "somebody"
            server.body["metadata"]["resourceVersion"] = "99"

        group.start_soon(take)
        with pytest.raises(LeaseLost, match="somebody holds the lease"):
            await one.while_held(work)
    assert server.body is not None
    assert server.body["spec"]["holderIdentity"] == "somebody"


async def test_a_renewal_whose_answer_was_lost_is_no_loss(server: Server) -> None:
    one, work = lease(server, "one"), Work()
    async with anyio.create_task_group() as group:
        group.start_soon(one.while_held, work)
        await work.began.wait()
        assert server.body is not None
        server.body["metadata"]["resourceVersion"] = "50"  # written by itself, as far as it can tell
        await renewed(server)
        assert one.held
        group.cancel_scope.cancel()
