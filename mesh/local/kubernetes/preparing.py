"""What an operator would have made before anything is installed: kinds, namespaces, Secrets."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from lightkube import AsyncClient

from mesh.local.kubernetes.kinds import ACTED_ON, DEFINITION, NAMESPACE
from mesh.local.model import Json, Resource

DIGEST = "delinkcious.io/digest"  # of a definition as it was applied
KINDS = {kind._api_info.resource.kind: kind for kind in ACTED_ON}


async def prepare(client: AsyncClient, definitions: Sequence[Path], own: Sequence[Resource]) -> None:
    """Apply the definitions in these files, and the mesh's own resources with their namespaces.

    Raises what the client raises.
    """
    await _define(client, definitions)
    for name in sorted({resource.namespace for resource in own if resource.namespace}):
        await apply(client, NAMESPACE, _namespace(name))
    for resource in own:
        await apply(client, KINDS[resource.kind], resource.body)


async def _define(client: Any, files: Sequence[Path]) -> None:
    """Make the kinds known; those that are as they were are left alone, since each costs the server 0.1 s."""
    wanted = [body for file in files for body in await asyncio.to_thread(_read, file)]
    known = {one["metadata"]["name"]: one["metadata"] async for one in client.list(DEFINITION)}
    for body in wanted:
        metadata = known.get(body["metadata"]["name"]) or {}
        if (metadata.get("annotations") or {}).get(DIGEST) != body["metadata"]["annotations"][DIGEST]:
            await apply(client, DEFINITION, body)
    for body in wanted:
        await client.wait(DEFINITION, body["metadata"]["name"], for_conditions=["Established"])


def _read(file: Path) -> list[Json]:
    found = []
    for body in yaml.load_all(file.read_bytes(), Loader=yaml.CSafeLoader):
        if body:
            digest = hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:16]
            annotations = {**(body["metadata"].get("annotations") or {}), DIGEST: digest}
            found.append({**body, "metadata": {**body["metadata"], "annotations": annotations}})
    return found


async def apply(client: Any, kind: Any, body: Json) -> None:
    """Server-side, as the client's own manager; fields of others that differ are taken over."""
    await client.apply(kind(body), force=True)


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
