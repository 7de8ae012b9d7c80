"""Looks for policies that control planes disagree about: hypothesis draws them, and makes a find small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.mesh.conformance.differing import Disagreement, Oracle, disagreement
from tests.mesh.conformance.drawn.policies import Policy, policies

MOST_TRIES = 400  # to make one disagreement smaller: a real control plane takes up to a second for each
LEAST_DRAWN = 20  # in a run: its first is always the simplest
MOST_FOUND = 10  # one mistake shows up again and again
MOST_DRAWN = 10  # for each policy to try; what has been tried before is drawn for nothing


class Differs(Exception):
    """Control planes disagree."""

    def __init__(self, found: Disagreement) -> None:
        super().__init__(", ".join(sorted(found.fields)))
        self.found = found


class Enough(BaseException):
    """A disagreement has been made smaller for long enough: the engine ends with no other exception."""


@dataclass
class Search:
    """`tried` different policies so far, of `drawn` in sum: the same objects are asked about once."""

    asked: Mapping[str, Oracle]
    advance: Callable[[], None] = lambda: None
    tried: int = 0
    drawn: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def disagreements(self, count: int, first: int) -> Iterator[Disagreement]:
        """Until so many policies are tried, or too much is found; `first` is the seed that they come from.

        A run of the engine ends with the first disagreement, and the next run goes on with what is left.
        """
        runs = found = 0
        while self.tried < count and found < MOST_FOUND and self.drawn < MOST_DRAWN * count:
            differs = self._run(count, f"{first}/{runs}")
            runs += 1
            if differs is not None:
                found += 1
                yield differs

    def _run(self, count: int, from_: str) -> Disagreement | None:
        """The first that is found until `count` policies are tried in sum."""
        smaller = _Smaller(self.asked)
        broken: list[Exception] = []

        @seed(from_)
        @settings(
            max_examples=max(count - self.tried, LEAST_DRAWN),
            phases=[Phase.generate, Phase.shrink],
            database=None,
            derandomize=False,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(policies())
        def agree(policy: Policy) -> None:
            if broken:
                raise broken[0]  # is not to be made smaller
            try:
                found = smaller.asks(policy) if smaller.found else self._first(policy, count)
            except Exception as error:
                broken.append(error)
                raise
            if found is not None:
                smaller.remember(policy, found)
                raise Differs(found)

        try:
            agree()
        except Differs as differs:
            return differs.found
        except Enough:
            return smaller.found
        return None

    def _first(self, policy: Policy, count: int) -> Disagreement | None:
        """What is not the same twice is no disagreement: a push was late."""
        self.drawn += 1
        key = msgspec.json.encode(policy.resources)
        if key in self._seen or self.tried == count:
            return None
        self._seen.add(key)
        self.tried += 1
        self.advance()
        return disagreement(policy, self.asked) and disagreement(policy, self.asked)


class _Smaller:
    """The same disagreement about the same request in smaller policies: so many are asked about, each once.

    `found` is the smallest so far.
    """

    def __init__(self, asked: Mapping[str, Oracle]) -> None:
        self._asked = asked
        self._known: dict[bytes, Disagreement | None] = {}
        self._number = 0
        self._fields: frozenset[str] = frozenset()
        self.found: Disagreement | None = None

    def remember(self, policy: Policy, found: Disagreement) -> None:
        if self.found is None:
            self._number, self._fields = policy.requests.index(found.request), found.fields
        self.found = self._known[self._key(policy)] = found

    def asks(self, policy: Policy) -> Disagreement | None:
        key = self._key(policy)
        if key not in self._known:
            if len(self._known) > MOST_TRIES:
                raise Enough
            found = disagreement(self._part(policy), self._asked)
            self._known[key] = found if found and found.fields & self._fields else None
        return self._known[key]

    def _part(self, policy: Policy) -> Policy:
        """With the one request that matters."""
        return Policy(policy.resources, (policy.requests[self._number],))

    def _key(self, policy: Policy) -> bytes:
        return msgspec.json.encode(self._part(policy))
