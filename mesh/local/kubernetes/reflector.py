"""Every object of a kind, as the API server has them, kept current: listed once, then followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import msgspec
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.core.resource import NamespacedResource

from mesh.local.kubernetes.kinds import Kind, told
from mesh.local.model import Json

EVERY_NAMESPACE = "*"
AGAIN_AFTER_S = 0.5
WATCH_S = 300  # then it is asked anew, so that a connection that died unseen is noticed
LISTED_WITHIN_S = 30.0
UNANSWERED = (httpx2.HTTPError, OSError, msgspec.MsgspecError, KeyError)

Key = tuple[str, str]


class Reflector:
    """`objects` are those of one kind by namespace and name; `changed` gets the key of each that changes.

    `fields` narrow them down, as a field selector does.
    """

    def __init__(
        self,
        client: AsyncClient,
        kind: Kind,
        changed: Callable[[Key], None],
        report: Callable[[str], None],
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.objects: dict[Key, Json] = {}
        self._client: Any = client  # its overloads do not take a kind that is a variable
        self._kind, self._changed, self._report = kind, changed, report
        self._selected: dict[str, Any] = {"fields": dict(fields)} if fields else {}
        self._where = {"namespace": EVERY_NAMESPACE} if issubclass(kind, NamespacedResource) else {}
        self._version = ""

    async def list(self) -> None:
        """Take over what there is now. Raises one of UNANSWERED."""
        async with asyncio.timeout(LISTED_WITHIN_S):
            listed = self._client.list(self._kind, **self._where, **self._selected)
            found = {_key(one): self._whole(one) async for one in listed}
            self._version = listed.resourceVersion
        before = dict(self.objects)
        self.objects.clear()
        self.objects.update(found)
        for key in before.keys() | found.keys():
            if _version(before.get(key)) != _version(found.get(key)):
                self._changed(key)

    async def follow(self) -> None:
        """Keep `objects` current after `list`, for ever; what was missed is listed anew."""
        while True:
            try:
                await self._watch()
            except UNANSWERED as error:
                if not _is_too_old(error):
                    self._report(f"{told(self._kind)} are not followed, trying again: {_why(error)}")
                await asyncio.sleep(AGAIN_AFTER_S)
                await self._list_again()

    async def _watch(self) -> None:
        events = self._client.watch(
            self._kind,
            resource_version=self._version,
            server_timeout=WATCH_S,
            **self._where,
            **self._selected,
        )
        async for word, one in events:
            key = _key(one)
            self._version = one.metadata.resourceVersion
            if word == "DELETED":
                self.objects.pop(key, None)
            elif word in ("ADDED", "MODIFIED"):
                self.objects[key] = self._whole(one)
            else:
                continue  # a bookmark
            self._changed(key)

    def _whole(self, one: Any) -> Json:
        """With what the items of a list leave out."""
        resource = self._kind._api_info.resource
        return {**one, "apiVersion": resource.api_version, "kind": resource.kind}

    async def _list_again(self) -> None:
        while True:
            try:
                return await self.list()
            except UNANSWERED as error:
                self._report(f"{told(self._kind)} are not known anew, trying again: {_why(error)}")
                await asyncio.sleep(AGAIN_AFTER_S)


def _key(one: Any) -> Key:
    metadata = one["metadata"]
    return (metadata.get("namespace") or "", metadata["name"])


def _version(one: Json | None) -> str:
    return "" if one is None else str(one["metadata"]["resourceVersion"])


def _is_too_old(error: Exception) -> bool:
    """The server has forgotten what was before: usual after a pause."""
    return isinstance(error, ApiError) and error.status.code == 410


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
