"""Certificates for the proxies, by SDS over a socket of the state folder: the mesh's own, and files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import certifi
import grpc
import msgspec
from google.protobuf import any_pb2, json_format

from mesh.local import files
from mesh.local.istiod.proto import sds_pb2
from mesh.local.model import Json
from mesh.local.runtime.ca import identity_secret, root_secret

SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
FILE_ROOT, FILE_CERTIFICATE = "file-root:", "file-cert:"
GRACE_S = 0.2

Report = Callable[[str], None]


class Secrets:
    """Serves every proxy what lies in its folder; `renewed` tells it that something else lies there now."""

    def __init__(self, socket: Path, report: Report) -> None:
        self.socket, self._report = socket, report
        self._folders: dict[str, Path] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def know(self, node: str, folder: Path) -> None:
        """A proxy is about to ask, by that id."""
        self._folders[node] = folder

    def renewed(self, node: str) -> None:
        for event in self._waiting.get(node, ()):
            event.set()

    async def begin(self) -> None:
        self._server = grpc.aio.server()
        method = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=sds_pb2.DiscoveryRequest.FromString,
            response_serializer=sds_pb2.DiscoveryResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, {"StreamSecrets": method})
        self._server.add_generic_rpc_handlers((handler,))
        self.socket.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server.add_insecure_port(f"unix:{self.socket}")
        finally:
            os.umask(mask)
        await self._server.start()

    async def close(self) -> None:
        await self._server.stop(GRACE_S)
        self.socket.unlink(missing_ok=True)

    async def _stream(self, requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        asked = _Asked()
        reading = asyncio.create_task(self._read(requests, asked))
        sent = ""
        try:
            while True:
                await asked.changed.wait()
                asked.changed.clear()
                if asked.ended:
                    return
                response = self._response(asked.node, asked.names)
                if response is not None and response.version_info != sent:
                    sent = response.version_info
                    yield response
        finally:
            reading.cancel()
            self._waiting.get(asked.node, set()).discard(asked.changed)
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self, requests: AsyncIterator[Any], asked: _Asked) -> None:
        try:
            async for request in requests:
                if request.node.id and not asked.node:  # it is in the first message only
                    asked.node = request.node.id
                    self._waiting.setdefault(asked.node, set()).add(asked.changed)
                if request.error_detail.message:
                    self._report(f"{asked.node} refused a certificate: {request.error_detail.message}")
                if list(request.resource_names) != asked.names:
                    asked.names = list(request.resource_names)
                    asked.changed.set()
        finally:
            asked.ended = True
            asked.changed.set()

    def _response(self, node: str, names: Sequence[str]) -> Any | None:
        """None while there is nothing under one of the names: Envoy waits with what needs it."""
        folder = self._folders.get(node)
        found = [_secret(folder, name) for name in names] if folder is not None else [None]
        if not found or None in found:
            return None
        version = hashlib.sha256(b"".join(data for data in found if data)).hexdigest()[:16]
        url = files.TYPE_URLS["Secret"]
        resources = [
            any_pb2.Any(type_url=url, value=_message(one).SerializeToString())
            for data in found
            if data is not None
            for one in msgspec.json.decode(data)["resources"]
        ]
        return sds_pb2.DiscoveryResponse(
            version_info=version, resources=resources, type_url=url, nonce=version
        )


class _Asked:
    """What one stream wants, and whether that has changed."""

    def __init__(self) -> None:
        self.node = ""
        self.names: list[str] = []
        self.changed = asyncio.Event()
        self.ended = False


def _message(resource: Json) -> sds_pb2.Secret:
    """A secret as a file has it. Raises ParseError when it has more than the mesh writes."""
    body = {name: value for name, value in resource.items() if name != "@type"}
    return json_format.ParseDict(body, sds_pb2.Secret())


def _secret(folder: Path, name: str) -> bytes | None:
    """The response of one secret as a file would hold it; None when it is not there."""
    try:
        if name.startswith(FILE_ROOT):
            path = name.removeprefix(FILE_ROOT)
            return root_secret(name, Path(certifi.where() if path == "system" else path).read_text())
        if name.startswith(FILE_CERTIFICATE):
            chain, _, key = name.removeprefix(FILE_CERTIFICATE).partition("~")
            return identity_secret(name, Path(chain).read_text(), Path(key).read_text())
        return (folder / files.secret(name)).read_bytes()
    except (OSError, UnicodeDecodeError):
        return None
