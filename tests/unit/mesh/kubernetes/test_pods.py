"""Which Pods of a node run while others of their name still end."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh.local.kubernetes.pods import BoundPods
from mesh.local.runtime.running_pods import RunningPods
from tests.unit.mesh.runtime.fakes import Places, settle


def _body(uid: str) -> Any:
    metadata = {"name": "a", "namespace": "default", "uid": uid}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "command": ["true"]}]}}


def test_a_pod_that_has_ended_keeps_its_place_until_its_sidecar_has_ended_too() -> None:
    async def test() -> None:
        places, left = Places(), asyncio.Event()
        left.set()
        running = RunningPods(places.make, places.released.append, left.wait, print)
        bound = BoundPods(running, print)
        for uid in ("one", "other"):
            bound.bound = {("default", "a"): _body(uid)}
            bound.reconcile()
            await settle()
            places.made[0].phase = "Succeeded"
        assert len(places.made) == 1
        assert not places.released
        places.made[0].ends.set()
        await settle()
        assert places.released == places.made[:1]
        assert len(places.made) == 2
        places.made[1].ends.set()
        await settle()

    asyncio.run(test())
