"""Whatever is done in whatever order, the graph is what a few lines of Python say it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.social_graph.people_store import PeopleStore
from tests.integration.social_graph.conftest import Meet, Query, Somebody, count
from tests.integration.social_graph.test_blocking import assert_events_tell_the_edges

pytestmark = pytest.mark.anyio

PEOPLE = 4
MAX_FOLLOWING, MAX_BLOCKS = 2, 1
Deed = Literal["follow", "unfollow", "block", "unblock", "leave"]
# Who, does what, to whom; leaving is rarer, or soon nobody would be there.
DEEDS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.sampled_from(["follow"] * 6 + ["unfollow"] * 3 + ["block"] * 3 + ["unblock"] * 2 + ["leave"]),
        st.integers(0, PEOPLE - 1),
    ),
    max_size=25,
)


@dataclass
class Model:
    """The rules; lists have the newest last."""

    here: set[int] = field(default_factory=lambda: set(range(PEOPLE)))
    follows: list[tuple[int, int]] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)

    def do(self, one: int, deed: Deed, other: int) -> int:
        """The status that the deed must be answered with."""
        if deed == "leave":
            self.here.discard(one)
            self.follows = [edge for edge in self.follows if one not in edge]
            self.blocks = [edge for edge in self.blocks if one not in edge]
            return 0
        if one == other:
            return 422
        if other not in self.here:
            return 404
        if one not in self.here:
            return 401
        rules = {"follow": self._follow, "unfollow": self._unfollow, "block": self._block}
        return rules.get(deed, self._unblock)((one, other))

    def _follow(self, edge: tuple[int, int]) -> int:
        if edge in self.follows:
            return 204
        if edge in self.blocks or edge[::-1] in self.blocks:
            return 403
        if sum(follower == edge[0] for follower, _ in self.follows) == MAX_FOLLOWING:
            return 409
        self.follows.append(edge)
        return 204

    def _unfollow(self, edge: tuple[int, int]) -> int:
        self.follows = [each for each in self.follows if each != edge]
        return 204

    def _block(self, edge: tuple[int, int]) -> int:
        if edge in self.blocks:
            return 204
        if sum(blocker == edge[0] for blocker, _ in self.blocks) == MAX_BLOCKS:
            return 409
        self.blocks.append(edge)
        self.follows = [each for each in self.follows if each not in (edge, edge[::-1])]
        return 204

    def _unblock(self, edge: tuple[int, int]) -> int:
        self.blocks = [each for each in self.blocks if each != edge]
        return 204


PATHS = {
    "follow": ("PUT", "following"),
    "unfollow": ("DELETE", "following"),
    "block": ("PUT", "blocks"),
    "unblock": ("DELETE", "blocks"),
}


@pytest.mark.parametrize("setting", [{"max_following": MAX_FOLLOWING, "max_blocks": MAX_BLOCKS}])
@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=DEEDS)
async def test_the_graph_obeys_its_rules(
    meet: Meet, query: Query, people: PeopleStore, deeds: list[tuple[int, Deed, int]]
) -> None:
    await query("TRUNCATE people, follows, blocks, outbox")
    everybody = [await meet(f"person-{number}") for number in range(PEOPLE)]
    model = Model()
    for one, deed, other in deeds:
        expected = model.do(one, deed, other)
        if deed == "leave":
            await people.remove(everybody[one].id)
            continue
        method, path = PATHS[deed]
        answer = await everybody[one].http.request(method, f"{path}/{everybody[other].name}")
        assert answer.status_code == expected, (one, deed, other)
    await assert_lists_are(model, everybody)
    for person in everybody:
        await count(query, person.id)
    await assert_events_tell_the_edges(query)


async def assert_lists_are(model: Model, everybody: list[Somebody]) -> None:
    def names(numbers: list[int]) -> list[str]:
        return [everybody[number].name for number in reversed(numbers)]

    for number, person in enumerate(everybody):
        assert await person.names("following") == names([b for a, b in model.follows if a == number])
        assert await person.names("followers") == names([a for a, b in model.follows if b == number])
        assert await person.names("blocks") == names([b for a, b in model.blocks if a == number])
        for other in model.here:
            seen = await person.get(f"people/{everybody[other].name}")
            assert seen["you_follow"] is ((number, other) in model.follows)
            assert seen["follows_you"] is ((other, number) in model.follows)
            assert seen["blocked"] is ((number, other) in model.blocks)
            assert seen["followers"] == sum(followee == other for _, followee in model.follows)
            assert seen["following"] == sum(follower == other for follower, _ in model.follows)
