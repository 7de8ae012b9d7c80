"""Workloads as the runner needs them, and the Pods they make (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from mesh.local import templates
from mesh.local.model import Config, Json, Resource
from mesh.local.runtime.manifest import AFTER, RESTARTED_AT, PodManifest

Key = tuple[str, str, str]

INDEX = "batch.kubernetes.io/job-completion-index"
POD_INDEX = "apps.kubernetes.io/pod-index"
POD_NAME = "statefulset.kubernetes.io/pod-name"
# What runs from the start; a CronJob only makes Jobs.
KINDS = tuple(kind for kind in templates.PATHS if kind != "CronJob")


@dataclass(frozen=True)
class Workload:
    """What makes Pods, with its Pod template. `hash` changes exactly when the template does."""

    resource: Resource
    replicas: int
    restarted_at: str = ""

    @property
    def key(self) -> Key:
        return self.resource.key

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def reference(self) -> str:
        """As people write it: `deployment/links-v1`."""
        return f"{self.resource.kind.lower()}/{self.resource.name}"

    @cached_property
    def template(self) -> Json:
        template = templates.template(self.resource)
        if not self.restarted_at:
            return template
        metadata = dict(template.get("metadata") or {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTARTED_AT: self.restarted_at}
        return {**template, "metadata": metadata}

    @cached_property
    def hash(self) -> str:
        # Every edit asks for it of every workload.
        return hashlib.sha256(msgspec.json.encode(self.template, order="sorted")).hexdigest()[:8]

    def pod(self, ordinal: int, index: int | None = None) -> PodManifest:
        """The Pod of that ordinal; its name, and so its addresses, are the same at every start.

        `index` is what an Indexed Job gives it to do.
        """
        resource, template = self.resource, self.template
        name = f"{resource.name}-{self.hash}-{ordinal}"
        if self.kind == "StatefulSet":
            return self._of_set(ordinal)
        if self.kind == "Pod":
            name = resource.name
        elif self.kind == "Job":  # every attempt is a Pod of its own, whatever the policy
            template = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
            if index is not None:
                template = _told(template, f"{resource.name}-{index}", {INDEX: str(index)})
        return PodManifest(name, resource.namespace, resource.name, template, self.hash)

    def _of_set(self, ordinal: int) -> PodManifest:
        """A Pod of a StatefulSet: it keeps its name and its claims."""
        resource = self.resource
        name = f"{resource.name}-{ordinal}"
        claims = {
            claim["metadata"]["name"]: f"{claim['metadata']['name']}-{name}"
            for claim in resource.spec.get("volumeClaimTemplates") or []
        }
        template = _told(self.template, name, {}, {POD_INDEX: str(ordinal), POD_NAME: name})
        own = [volume for volume in template["spec"].get("volumes") or [] if volume["name"] not in claims]
        own += [
            {"name": volume, "persistentVolumeClaim": {"claimName": claim}}
            for volume, claim in claims.items()
        ]
        spec = {**template["spec"], "volumes": own}
        if governing := resource.spec.get("serviceName"):
            spec["subdomain"] = governing
        body = {**template, "spec": spec}
        made = frozenset(claims.values())
        return PodManifest(name, resource.namespace, resource.name, body, self.hash, claims=made)

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


def _told(template: Json, hostname: str, notes: Json, labels: Mapping[str, str] | None = None) -> Json:
    """A template that tells its Pod who it is."""
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **(notes if labels is None else labels)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **notes}
    return {**template, "metadata": metadata, "spec": {"hostname": hostname, **template["spec"]}}


def workloads(
    config: Config, overrides: Mapping[str, Any], counts: Mapping[Key, int] | None = None
) -> list[Workload]:
    """Everything that makes Pods from the start.

    `overrides` (by reference with namespace) hold what scale and restart changed, `counts` what is scaled by
    itself.
    """
    found = []
    for kind in KINDS:
        for resource in config.of(kind):
            restarted_at = str(_changed(resource, overrides).get("restartedAt") or "")
            found.append(Workload(resource, replicas(resource, overrides, counts), restarted_at))
    return found


def timed(config: Config) -> list[Workload]:
    """What CronJobs will run, to be judged before they do."""
    return [Workload(resource, 1) for resource in config.of("CronJob")]


def replicas(
    resource: Resource, overrides: Mapping[str, Any], counts: Mapping[Key, int] | None = None
) -> int:
    """How many pods it is to have: what it was scaled to, until its own count changes."""
    changed, declared = _changed(resource, overrides), declared_replicas(resource)
    if "replicas" in changed and changed.get("declared") == declared:
        return int(changed["replicas"])
    return (counts or {}).get(resource.key, declared)


def declared_replicas(resource: Resource) -> int:
    """How many pods its manifest wants."""
    written = resource.spec.get("replicas") if resource.kind in templates.SCALED else 1
    return 1 if written is None else int(written)


def _changed(resource: Resource, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    return overrides.get(f"{resource.namespace}/{resource.kind.lower()}/{resource.name}") or {}
