"""Whole manifests given to the API server: applied as one manager of fields, or only tried."""

from __future__ import annotations

import copy
from functools import cached_property
from urllib.parse import urlencode

from tests.integration.kubernetes.cluster import APPLY, Cluster, Json, Refused


class Unknown(Exception):
    """A kind that this server does not have."""


class Server:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @cached_property
    def _kinds(self) -> dict[tuple[str, str], tuple[str, bool]]:
        return self._cluster.kinds()

    def path(self, manifest: Json) -> str:
        """Of the object itself. Raises Unknown."""
        try:
            folder, namespaced = self._kinds[manifest["apiVersion"], manifest["kind"]]
        except KeyError:
            raise Unknown(f"{manifest['apiVersion']} {manifest['kind']}") from None
        name = manifest["metadata"]["name"]
        return f"{folder.format(manifest['metadata']['namespace']) if namespaced else folder}/{name}"

    def apply(self, manifest: Json, manager: str, *, force: bool = False) -> Json:
        """As GitOps does. Raises Refused."""
        options = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        return self._cluster.call("PATCH", f"{self.path(manifest)}?{urlencode(options)}", manifest, APPLY)

    def complaint(self, manifest: Json) -> str:
        """What the server says against it; nothing is kept. Raises Unknown."""
        folder = self.path(manifest).rpartition("/")[0]
        try:
            self._cluster.call("POST", f"{folder}?dryRun=All&fieldValidation=Strict", manifest)
        except Refused as error:
            return str(error)
        return ""

    def objects(self, namespace: str) -> set[tuple[str, str]]:
        """(kind, name) of everything in a namespace that somebody put there."""
        found = set()
        for (_, kind), (folder, namespaced) in self._kinds.items():
            if namespaced and kind not in OF_THE_SERVER:
                try:
                    items = self._cluster.get(folder.format(namespace))["items"]
                except Refused as error:
                    if error.code not in (404, 405):  # kinds that are only asked, never kept
                        raise
                    continue
                found |= {(kind, each["metadata"]["name"]) for each in items}
        return found - {("ServiceAccount", "default")}


# What comes and goes by itself.
OF_THE_SERVER = {"Event", "EndpointSlice", "Endpoints", "ControllerRevision"}


def moved(manifest: Json, spaces: dict[str, str]) -> Json:
    """The same in other namespaces, so that tests do not meet there."""
    made = copy.deepcopy(manifest)
    if (space := made["metadata"].get("namespace")) is not None:
        made["metadata"]["namespace"] = spaces.get(space, space)
    return made
