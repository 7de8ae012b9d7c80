"""The style sheet, the picture and htmx, read once, each at an address that changes with their content.

htmx and its extension for server-sent events come out of the installed django-htmx distribution; nothing of
it is imported, and nothing is copied.
"""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import resources
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOREVER = "public, max-age=31536000, immutable"
_FOREIGN = {"htmx.js": "htmx-4.min.js", "sse.js": "ext/hx-sse-4.min.js"}
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class Assets:
    """All files, below one address."""

    def __init__(self) -> None:
        own = (resources.files("mesh.console") / "static").iterdir()
        self._files = {file.name: file.read_bytes() for file in own}
        for name, file in _FOREIGN.items():
            self._files[name] = (_folder() / file).read_bytes()
        digest = hashlib.sha256()
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + self._files[name])
        self.base = f"/static/{digest.hexdigest()[:16]}"

    def address(self, name: str) -> str:
        """Where a file is; KeyError for one that does not exist."""
        self._files[name]
        return f"{self.base}/{name}"

    async def serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404)
        known = request.path_params["digest"] == self.base.rpartition("/")[2]
        headers = {"cache-control": FOREVER if known else "no-cache"}
        return Response(self._files[name], headers=headers, media_type=_TYPES[Path(name).suffix])


def _folder() -> Path:
    found = importlib.util.find_spec("django_htmx")
    if found is None or found.origin is None:
        raise LookupError("django-htmx is not installed")
    return Path(found.origin).parent / "static" / "django_htmx"


ASSETS = Assets()
ROUTE = Route("/static/{digest}/{name}", ASSETS.serve)
