"""Style sheets, scripts and pictures, read once at start, each at an address that changes with their content.

htmx comes out of the installed django-htmx distribution; nothing of it is imported, and nothing is copied.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import mimetypes
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.kit.errors import NotFound

HTMX = "htmx.js"
HTMX_FILE = Path("static") / "django_htmx" / "htmx-4.min.js"
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    content: bytes
    zipped: bytes
    media_type: str


class Assets:
    """All files, and the one address below which this set of them stands."""

    def __init__(self) -> None:
        files = {
            file.name: file.read_bytes() for file in (resources.files("services.web") / "static").iterdir()
        }
        files[HTMX] = _htmx().read_bytes()
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name])
        self.base = f"/static/{digest.hexdigest()[:16]}"
        self._files = {
            name: Asset(content, gzip.compress(content, mtime=0), _media_type(name))
            for name, content in files.items()
        }

    def address(self, name: str) -> str:
        """Where a file is; KeyError for one that does not exist."""
        self._files[name]
        return f"{self.base}/{name}"

    async def serve(self, request: Request) -> Response:
        """The file, for ever; an address of another set gives this one's, not to be kept."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            raise NotFound("no such file")
        known = request.path_params["digest"] == self.base.rpartition("/")[2]
        headers = {
            "cache-control": FOREVER if known else "no-cache",
            "content-type": asset.media_type,
            "vary": "accept-encoding",
            "x-content-type-options": "nosniff",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.zipped, headers=headers | {"content-encoding": "gzip"})
        return Response(asset.content, headers=headers)


def _htmx() -> Path:
    found = importlib.util.find_spec("django_htmx")
    if found is None or found.origin is None:
        raise LookupError("django-htmx is not installed")
    return Path(found.origin).parent / HTMX_FILE


def _media_type(name: str) -> str:
    return _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


ASSETS = Assets()
ROUTE = Route("/static/{digest}/{name}", ASSETS.serve)
