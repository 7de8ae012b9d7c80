"""What the control socket is asked, as structs, read within bounds."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from mesh.local import resources
from mesh.local.model import Finding, InvalidConfig, Resource
from mesh.local.runtime.errors import MeshError

T = TypeVar("T")

MAX_BODY_BYTES = 32 * 2**20
ROLLED_OUT_WITHIN_S = 300.0


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """One file as the user wrote it."""

    file: str
    text: str


class Documents(msgspec.Struct, forbid_unknown_fields=True):
    """What is spoken of; and by kind, namespace and name what an apply forgets in the same step."""

    documents: list[Document]
    instead_of: list[tuple[str, str, str]] = []


class Target(msgspec.Struct, forbid_unknown_fields=True):
    """A workload to scale or restart; whether the answer is to wait for its pods."""

    namespace: str
    name: str
    kind: str = "Deployment"
    replicas: int | None = None
    wait: bool = True


class Pod(msgspec.Struct, forbid_unknown_fields=True):
    """A pod to be replaced."""

    namespace: str
    name: str


class JobFrom(msgspec.Struct, forbid_unknown_fields=True):
    """A Job to be made of a CronJob now."""

    namespace: str
    name: str
    cronjob: str


class Process(msgspec.Struct, forbid_unknown_fields=True):
    """A process beside the Pods."""

    name: str


class Keys(msgspec.Struct, forbid_unknown_fields=True):
    """Objects by kind, namespace and name; how long to wait for them, where that is asked for."""

    keys: list[tuple[str, str, str]]
    within_s: float = ROLLED_OUT_WITHIN_S


async def read(request: Request, kind: type[T]) -> T:
    """The body of a request. Raises msgspec.DecodeError, MeshError."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise MeshError(f"more than {MAX_BODY_BYTES} bytes")
    return msgspec.json.decode(bytes(data), type=kind)


async def resources_of(request: Request) -> list[Resource]:
    """The resources of the request, all of them right by themselves. Raises InvalidConfig."""
    return resources_in(await read(request, Documents))


def resources_in(asked: Documents) -> list[Resource]:
    """The resources of all documents, all of them right by themselves. Raises InvalidConfig."""
    found: list[Resource] = []
    findings: list[Finding] = []
    for document in asked.documents:
        try:
            found += resources.parse(document.text, document.file)
        except InvalidConfig as error:
            findings += error.findings
    findings += resources.duplicates(found)
    if findings:
        raise InvalidConfig(findings)
    return found
