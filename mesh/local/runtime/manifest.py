"""A Pod as the runner needs it (pure)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mesh.local import templates
from mesh.local.model import ContainerPort, Json
from mesh.local.registry.entries import TLS_MODE

FieldPath = tuple[str | int, ...]

INJECT = "sidecar.istio.io/inject"
TEMPLATES = "inject.istio.io/templates"
COMMAND = "delinkcious.io/command"
AFTER = "delinkcious.io/after"
OPTIONAL = "delinkcious.io/optional"
PRELOAD = "delinkcious.io/preload"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
PROXY_CONTAINER = "istio-proxy"
DEFAULT_GRACE_S = 30.0


class Refused(Exception):
    """The local mesh cannot run what stands at `path` of a Pod spec; the text says why and what to do."""

    def __init__(self, path: FieldPath, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class PodManifest:
    """One Pod to run. `body` has `metadata` and `spec`; `workload` is what made it.

    `refusal` is why it cannot be run, where somebody else has taken it already. `claims` are the names of
    PersistentVolumeClaims that were made for it.
    """

    name: str
    namespace: str
    workload: str
    body: Json
    hash: str = ""
    refusal: str = ""
    claims: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        return (self.body.get("metadata") or {}).get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return (self.body.get("metadata") or {}).get("annotations") or {}

    @property
    def spec(self) -> Json:
        return self.body["spec"]  # type: ignore[no-any-return]

    @property
    def service_account(self) -> str:
        return templates.account(self.body)

    @property
    def hostname(self) -> str:
        return self.spec.get("hostname") or self.name

    @property
    def gateway(self) -> bool:
        return self.annotations.get(TEMPLATES) == "gateway"

    @property
    def injected(self) -> bool:
        """Whether it has a sidecar; the label wins over the annotation, as on Istio."""
        wish = self.labels.get(INJECT) or self.annotations.get(INJECT) or "true"
        return not self.gateway and str(wish).lower() not in ("false", "no", "off", "n", "0")

    @property
    def takes_mutual_tls(self) -> bool:
        """Whether clients ask it by the mesh's mutual TLS; a gateway they do not, as on Istio."""
        return self.labels[TLS_MODE] == "istio" if TLS_MODE in self.labels else self.injected

    @property
    def optional(self) -> bool:
        """Whether nobody waits for it: its program may be installed later, and it may fail."""
        return str(self.annotations.get(OPTIONAL)).lower() == "true"

    @property
    def preload(self) -> tuple[str, ...]:
        """The modules that its Python programs import anyway, by which they may be forked."""
        return tuple(self.annotations.get(PRELOAD, "").replace(",", " ").split())

    @property
    def grace_s(self) -> float:
        value = self.spec.get("terminationGracePeriodSeconds")
        return DEFAULT_GRACE_S if value is None else float(value)

    @property
    def restart_policy(self) -> str:
        return self.spec.get("restartPolicy") or "Always"

    @property
    def containers(self) -> Sequence[Json]:
        """The containers that are processes of their own: a gateway's is its Envoy."""
        return [] if self.gateway else self.spec["containers"]

    @cached_property
    def ports(self) -> tuple[ContainerPort, ...]:
        """Every TCP port of every container; a port without a name is named by its number."""
        return tuple(
            ContainerPort(port.get("name") or str(port["containerPort"]), int(port["containerPort"]))
            for container in self.spec["containers"]
            for port in container.get("ports") or []
            if (port.get("protocol") or "TCP") == "TCP"
        )

    def argv(self, index: int, word: str = "containers") -> list[str]:
        """Command and arguments of a container, unexpanded. Raises Refused when it names an image only."""
        container = self.spec[word][index]
        if command := container.get("command"):
            return [str(part) for part in (*command, *(container.get("args") or []))]
        name = container["name"]
        keys = [f"{COMMAND}.{name}"] + (
            [COMMAND] if word == "containers" and len(self.spec[word]) == 1 else []
        )
        for key in keys:
            if text := self.annotations.get(key):
                return [*shlex.split(text), *(str(part) for part in container.get("args") or [])]
        raise Refused(
            ("spec", word, index),
            f"the container {name} has no command, and images are not pulled: write `command` into the "
            f"manifest, or annotate the Pod template with `{keys[-1]}: PROGRAM ARGUMENT...`",
        )
