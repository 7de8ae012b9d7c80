"""Manifests as the runner needs them: workloads, and the Pods they make (pure)."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from mesh.local.model import Config, ContainerPort, Json, Resource

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
TEMPLATE: FieldPath = ("spec", "template")


class Refused(Exception):
    """The local mesh cannot run what stands at `path` of a Pod spec; the text says why and what to do."""

    def __init__(self, path: FieldPath, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class PodManifest:
    """One Pod to run. `body` has `metadata` and `spec`; `workload` is what made it.

    `refusal` is why it cannot be run, where somebody else has taken it already.
    """

    name: str
    namespace: str
    workload: str
    body: Json
    hash: str = ""
    refusal: str = ""

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
        return self.spec.get("serviceAccountName") or "default"

    @property
    def gateway(self) -> bool:
        return self.annotations.get(TEMPLATES) == "gateway"

    @property
    def injected(self) -> bool:
        """Whether it has a sidecar; the label wins over the annotation, as on Istio."""
        wish = self.labels.get(INJECT) or self.annotations.get(INJECT) or "true"
        return not self.gateway and str(wish).lower() not in ("false", "no", "off", "n", "0")

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


@dataclass(frozen=True)
class Workload:
    """A Deployment or a Job with its Pod template. `hash` changes exactly when the template does."""

    resource: Resource
    replicas: int
    restarted_at: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.resource.key

    @property
    def reference(self) -> str:
        """As people write it: `deployment/links-v1`."""
        return f"{self.resource.kind.lower()}/{self.resource.name}"

    @cached_property
    def template(self) -> Json:
        template: Json = self.resource.spec["template"]
        if not self.restarted_at:
            return template
        metadata = dict(template.get("metadata") or {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTARTED_AT: self.restarted_at}
        return {**template, "metadata": metadata}

    @cached_property
    def hash(self) -> str:
        # Every edit asks for it of every workload.
        return hashlib.sha256(msgspec.json.encode(self.template, order="sorted")).hexdigest()[:8]

    def pod(self, ordinal: int) -> PodManifest:
        """The Pod of that ordinal; its name, and so its addresses, are the same at every start."""
        resource = self.resource
        name = f"{resource.name}-{self.hash}-{ordinal}"
        template = self.template
        if resource.kind == "Job":  # every attempt is a Pod of its own, whatever the policy
            template = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
        return PodManifest(name, resource.namespace, resource.name, template, self.hash)

    @property
    def after(self) -> list[str]:
        """References of the workloads of its namespace that it waits for."""
        text = self.resource.annotations.get(AFTER) or ""
        return [part.strip().lower() for part in text.split(",") if part.strip()]

    @cached_property
    def optional(self) -> bool:
        """Whether nobody waits for its pods."""
        return self.pod(0).optional

    @property
    def hooks(self) -> frozenset[str]:
        """`pre` when it runs before all else at a start, `post` when after; by Helm's annotations."""
        names = {part.strip() for part in (self.resource.annotations.get("helm.sh/hook") or "").split(",")}
        moments = {"pre": {"pre-install", "pre-upgrade"}, "post": {"post-install", "post-upgrade"}}
        return frozenset(moment for moment, hooks in moments.items() if names & hooks)

    @property
    def weight(self) -> int:
        return int(self.resource.annotations.get("helm.sh/hook-weight") or 0)


def workloads(config: Config, overrides: Mapping[str, Any]) -> list[Workload]:
    """Deployments and Jobs; `overrides` (by reference with namespace) hold what scale and restart changed."""
    found = []
    for kind in ("Deployment", "Job"):
        for resource in config.of(kind):
            restarted_at = str(_changed(resource, overrides).get("restartedAt") or "")
            found.append(Workload(resource, replicas(resource, overrides), restarted_at))
    return found


def replicas(resource: Resource, overrides: Mapping[str, Any]) -> int:
    """How many pods it is to have: what it was scaled to, until its own count changes."""
    changed = _changed(resource, overrides)
    written = 1 if resource.kind == "Job" else resource.spec.get("replicas")
    declared = 1 if written is None else int(written)
    scaled = "replicas" in changed and changed.get("declared") == declared
    return int(changed["replicas"]) if scaled else declared


def _changed(resource: Resource, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    return overrides.get(f"{resource.namespace}/{resource.kind.lower()}/{resource.name}") or {}
