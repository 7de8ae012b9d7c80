"""The public keys, on a port of their own that also takes plain text from outside the mesh."""

from __future__ import annotations

from starlette.responses import Response

from services.kit.endpoint import Access, Endpoint
from services.users.deps import Deps

# Short beside the time that a key stands here before it signs (keys.RotationPolicy.publish_ahead).
CACHE_CONTROL = "public, max-age=300"


async def get_jwks(deps: Deps) -> Response:
    """The keys that verify access tokens (RFC 7517)."""
    headers = {"cache-control": CACHE_CONTROL, "x-content-type-options": "nosniff"}
    return Response(deps.signer.jwks, media_type="application/json", headers=headers)


ENDPOINTS = (Endpoint(method="GET", path="/.well-known/jwks.json", handler=get_jwks, access=Access.PUBLIC),)
