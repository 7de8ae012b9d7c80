"""New certificates for every proxy at once, as after a key that somebody may have seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from mesh.local.runtime.admin import AdminUnreachable
from mesh.local.runtime.errors import NotReady
from mesh.local.runtime.pod import Pod
from mesh.local.runtime.sidecar import Sidecar

SHOWN_WITHIN_S = 10.0
POLL_S = 0.01


async def rotate(pods: Iterable[Pod]) -> int:
    """Renew the certificate of each running proxy; returns how many, once none shows its older one.

    Connections that are open keep what they were opened with. An Envoy that is starting reads the newest.

    Raises:
        NotWritten: the disk takes no more.
        NotReady: one goes on showing its older one.
    """
    sidecars = [
        pod.sidecar
        for pod in pods
        if pod.sidecar is not None and not pod.sidecar.leaving and pod.sidecar.delivery.live.is_set()
    ]
    await asyncio.gather(*(_renewed(sidecar) for sidecar in sidecars))
    return len(sidecars)


async def _renewed(sidecar: Sidecar) -> None:
    older = sidecar.serial
    sidecar.renew()
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while sidecar.delivery.live.is_set():
        try:
            if older not in await sidecar.admin.serials():
                return
        except AdminUnreachable:
            pass  # it ends, or it hangs and is replaced
        if time.monotonic() > deadline:
            raise NotReady(f"{sidecar.proxy.name} shows its older certificate after {SHOWN_WITHIN_S:g} s")
        await asyncio.sleep(POLL_S)
