"""How a delivery to every proxy went, pod by pod."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.local.runtime.deliver import Effect
from mesh.local.runtime.errors import DeliveryFailed, MeshError, NotWritten, Unanswered
from mesh.local.runtime.pod import Pod


@dataclass
class Delivered:
    """How a delivery went, by pods.

    `draining`: older connections still have to end. `unread`: the Envoy is not started yet. `unanswered`: it
    neither answers nor ends, and why this is thought. `refused`: what else went wrong.
    """

    draining: dict[str, Pod] = field(default_factory=dict)
    unread: dict[str, Pod] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, pod: Pod, result: Effect | BaseException) -> None:
        key = pod.manifest.key
        if pod.stopping and isinstance(result, Unanswered | NotWritten):
            return  # it ends, with its folder
        if isinstance(result, Unanswered):
            self.unanswered[key] = str(result)
        elif isinstance(result, MeshError | OSError):
            self.refused[key] = str(result)
        elif isinstance(result, BaseException):
            raise result
        elif result is Effect.DRAINING:
            self.draining[key] = pod
        elif result is Effect.UNREAD:
            self.unread[key] = pod

    def judge(self) -> None:
        """Raises DeliveryFailed when something was refused, Unanswered when the rest is worth a try."""
        failures = "; ".join(f"{key}: {why}" for key, why in {**self.refused, **self.unanswered}.items())
        if self.refused:
            raise DeliveryFailed(failures)
        if self.unanswered:
            raise Unanswered(failures)
