"""Kubernetes with Istio as the platform of a rollout: one namespace, asked through the API server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from lightkube import AsyncClient

from mesh.canary.kubernetes import kinds, patches
from mesh.canary.kubernetes import pods as seen
from mesh.canary.kubernetes.api import Api, Unacceptable
from mesh.canary.platform import Conflict, Json, NotFound, PlatformError, Pod, Stored

# istiod says of no write when every proxy has it. It gathers changes for 0.1 s and as long as more come, and
# sends them within a second in a mesh that is well.
IN_FORCE_S = 5.0
# Annotations of a Deployment tell who manages it and how far it is, and so do these labels: no copy has them.
SERVICE = "kubernetes.io/service-name"
_OF_OTHERS = ("app.kubernetes.io/instance", "helm.sh/chart")


def _always() -> None:
    return None


class KubernetesPlatform:
    """`allowed` raises PlatformError while this process may not write; a write waits for `in_force_s`."""

    def __init__(
        self,
        client: AsyncClient,
        namespace: str,
        *,
        allowed: Callable[[], None] = _always,
        in_force_s: float = IN_FORCE_S,
    ) -> None:
        self._api = Api(client, namespace)
        self._allowed = allowed
        self._in_force_s = in_force_s

    async def virtual_service(self, name: str) -> Stored:
        return _stored(await self._api.get(kinds.VIRTUAL_SERVICE, name))

    async def write_virtual_service(self, body: Json, version: str) -> Stored:
        """Changes weights only, or the list of routes when one comes or goes."""
        name = body["metadata"]["name"]
        stored = await self.virtual_service(name)
        if stored.version != version:
            raise Conflict(f"virtualservices {name} was changed by somebody else")
        try:
            operations = patches.of_weights(stored.body, body, version)
        except patches.NotOurs as error:
            raise PlatformError(f"virtualservices {name}: {error}") from error
        if not operations:
            return stored
        self._allowed()
        try:
            written = await self._api.patch(kinds.VIRTUAL_SERVICE, name, operations)
        except Unacceptable:
            # So it says both of a test that fails and of what the kind does not allow.
            if (await self.virtual_service(name)).version != version:
                raise Conflict(f"virtualservices {name} was changed by somebody else") from None
            raise
        await asyncio.sleep(self._in_force_s)
        return _stored(written)

    async def deployments(self, labels: Mapping[str, str]) -> list[Stored]:
        """As a copy may begin: without what says who manages it."""
        found = await self._api.all(kinds.DEPLOYMENT)
        return [
            _stored({**each, "apiVersion": "apps/v1", "kind": "Deployment", "metadata": _its_own(each)})
            for each in found
            if labels.items() <= (each["spec"]["template"]["metadata"].get("labels") or {}).items()
        ]

    async def apply_deployment(self, body: Json) -> None:
        self._allowed()
        await self._api.apply(kinds.DEPLOYMENT, body)

    async def scale(self, deployment: str, replicas: int) -> None:
        self._allowed()
        await self._api.merge(kinds.SCALE, deployment, {"spec": {"replicas": replicas}})

    async def pods(self, labels: Mapping[str, str]) -> list[Pod]:
        """Ready are those that the Service of their `app` label has as endpoints."""
        found = await self._api.all(kinds.POD, labels)
        if not found:
            return []
        replica_sets = await self._api.all(kinds.REPLICA_SET, labels)
        of_service = {SERVICE: labels["app"]} if "app" in labels else None
        return seen.pods(found, replica_sets, await self._api.all(kinds.ENDPOINT_SLICE, of_service))

    async def replace_pod(self, name: str) -> None:
        """Its eviction, which waits where a disruption budget says so: then it raises Away."""
        self._allowed()
        metadata = {"name": name, "namespace": self._api.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        with contextlib.suppress(NotFound):
            await self._api.create(kinds.EVICTION, body, name)

    async def autoscaler(self, deployment: str) -> str:
        """The HorizontalPodAutoscaler that sizes a Deployment; "" when none does."""
        for each in await self._api.all(kinds.AUTOSCALER):
            target = each["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == ("Deployment", deployment):
                return str(each["metadata"]["name"])
        return ""


def _stored(body: Json) -> Stored:
    metadata = dict(body["metadata"])
    metadata.pop("managedFields", None)
    return Stored({**body, "metadata": metadata}, str(metadata.get("resourceVersion", "")))


def _its_own(deployment: Json) -> Json:
    metadata = deployment["metadata"]
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name not in _OF_OTHERS}
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": labels,
        "resourceVersion": metadata["resourceVersion"],
    }
