"""A fault of the mesh's security: a service that takes plain text, and somebody who sends it some."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

import httpx

from delinkcious.faults.overrides import Applied
from delinkcious.faults.site import Json, Site
from mesh.local.runtime.errors import MeshError

ASKED_EVERY_S = 0.5
ANSWERED_WITHIN_S = 2.0


@dataclass(frozen=True)
class PlainText(Applied):
    """Applied, and requests from outside the mesh as long as it holds; no policy lets them further."""

    workload: str = ""

    def hold(self, site: Site, ended: threading.Event) -> None:
        with httpx.Client(trust_env=False, timeout=ANSWERED_WITHIN_S) as stranger:
            while not ended.wait(ASKED_EVERY_S):
                with contextlib.suppress(MeshError):
                    for pod in site.pods(self.workload):
                        with contextlib.suppress(httpx.TransportError):
                            stranger.get(f"http://{pod['ports']['80']}/")


def plain_text(service: str) -> PlainText:
    """The service's pods take plain text beside mutual TLS."""
    name = f"{service}-plain-text"
    policy: Json = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": name, "namespace": "delinkcious"},
        "spec": {"selector": {"matchLabels": {"app": service}}, "mtls": {"mode": "PERMISSIVE"}},
    }
    key = ("PeerAuthentication", "delinkcious", name)
    return PlainText((key,), lambda _: [policy], workload=f"{service}-v1")
