"""The API server, asked by HTTP: objects are put, tried and taken away, and who is refused hears why."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from mesh.local.istiod import kinds
from mesh.local.model import Json
from mesh.local.runtime.errors import MeshError, Unanswered

MANAGER = "delinkcious"
_UNASKED = "failed calling webhook"
WITHIN = aiohttp.ClientTimeout(total=20)


class ApiRefused(MeshError):
    """The API server, or istiod behind it, says no; the text is theirs."""


class Api:
    """A client of one API server, as the user of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._base = cluster["server"]
        trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=32),
            headers={"Authorization": f"Bearer {user['token']}"},
            timeout=WITHIN,
        )

    async def close(self) -> None:
        await self._session.close()

    async def put(self, body: Json, *, tried: bool = False) -> Json:
        """Make it as it is written, by server-side apply; with `tried` only say whether that would do.

        Raises ApiRefused, and Unanswered when nobody can be asked.
        """
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        if tried:
            query["dryRun"] = "All"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return await self._ask("PATCH", kinds.path(body), body, query, headers)

    async def take_away(self, body: Json) -> None:
        """Delete it; nothing when it is not there."""
        await self._ask("DELETE", kinds.path(body), missing_ok=True)

    async def is_served(self, path: str) -> bool:
        """Whether a list of objects can be asked for: a kind is known a moment before it is served."""
        try:
            await self._ask("GET", path, query={"limit": "1"})
        except MeshError:
            return False
        return True

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        missing_ok: bool = False,
    ) -> Json:
        data = None if body is None else msgspec.json.encode(body)
        url = self._base + path
        try:
            async with self._session.request(method, url, data=data, params=query, headers=headers) as answer:
                read = await answer.read()
                if answer.status >= 400 and not (missing_ok and answer.status == 404):
                    raise _refusal(answer.status, read)
                return msgspec.json.decode(read, type=dict[str, Any])
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise Unanswered(f"the API server does not answer {method} {path}: {error!r}") from error


def _refusal(status: int, read: bytes) -> MeshError:
    """What it says against it; where it, or istiod behind it, is not there yet, nobody has said no."""
    try:
        said = str(msgspec.json.decode(read, type=dict[str, Any]).get("message") or "")
    except msgspec.DecodeError:  # what is not served yet says no JSON
        return Unanswered(f"the API server says {read.decode(errors='replace').strip()!r}")
    passing = status in (429, 503, 504) or _UNASKED in said  # an unknown field is 500, too
    return Unanswered(said) if passing else ApiRefused(said or f"refused with {status}")
