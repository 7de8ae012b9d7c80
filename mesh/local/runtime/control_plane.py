"""What tells the proxies of a mesh what to do: the embedded control plane, or a real istiod."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mesh.local.check import Judged
from mesh.local.model import Config, Finding, Proxy, Registry, Resource
from mesh.local.runtime.admin import Admin
from mesh.local.runtime.steps import Rendered

if TYPE_CHECKING:
    from mesh.local.runtime.delivered import Delivered
    from mesh.local.runtime.pod import Pod


@dataclass(frozen=True)
class Wanted:
    """What is wanted now; `keys` are those of token issuers, by where they come from."""

    config: Config
    registry: Registry
    keys: Mapping[str, str]


class Supply(Protocol):
    """How one proxy gets its configuration; told when its Envoy begins, is to end, and is gone.

    `live` is set while its Envoy serves by it, `in_force` is what it had acknowledged at the last `look`.
    """

    live: asyncio.Event
    in_force: Rendered

    def began(self) -> None: ...
    def ended(self) -> None: ...
    def died(self) -> None: ...

    async def look(self) -> None:
        """Bring `in_force` up to date. Raises AdminUnreachable."""

    def renewed(self) -> None:
        """Its certificate is another one from now on."""

    async def expected(self) -> None:
        """Wait until there is something for its Envoy to start with."""

    async def unread(self) -> str | None:
        """Why an Envoy that is starting does not serve by all of it; None when it does."""

    async def settled(self, starts: Callable[[], bool]) -> bool:
        """Wait for an Envoy to serve by it while it `starts`; whether it does. Raises DeliveryFailed."""

    async def drained(self) -> None:
        """Wait until no connection lives on under older policies. Raises DeliveryFailed when some stay."""


class ControlPlane(Protocol):
    """`name` is for people; `fetches_keys`: it wants the keys of token issuers in `Wanted`.

    `translates`: what its proxies have in force are snapshots of this repository's own making.
    """

    name: str
    fetches_keys: bool
    translates: bool

    def validate(self, resources: Sequence[Resource], judged: Judged) -> tuple[Config, list[Finding]]:
        """As `mesh.local.check.validate`, as far as this control plane leaves it to the mesh."""

    def supply(self, proxy: Proxy, admin: Admin, log: Path) -> Supply:
        """For a proxy that is about to be made."""

    def prepare(self, pod: Pod, wanted: Wanted) -> None:
        """Write everything that the Envoy of a pod reads when it starts."""

    async def begin(self) -> None:
        """Make ready to be asked. Raises MeshError."""

    async def judge(self, config: Config) -> None:
        """Have what `validate` has left be judged, before anything is made of it; nothing changes.

        Raises InvalidConfig, and Unanswered when nobody can be asked.
        """

    async def deliver(self, pods: Iterable[Pod], wanted: Wanted) -> Delivered:
        """Bring what is wanted, which was judged, into force on every proxy that serves."""

    async def close(self) -> None:
        """End what it has begun."""
