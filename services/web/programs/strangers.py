"""What anybody may read of other people's links, asked for on nobody's behalf; and who asks then."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from services.kit.http import SERVICE_TOKEN
from services.links.client import Listing, ListingQuery, parameters
from services.web.deps import Deps


async def public_listing(deps: Deps, query: ListingQuery, owner_id: int | None) -> Listing:
    """A numbered part of the public links of one owner, or of everybody; raises the kit's Problems."""
    params = parameters(query)
    if owner_id is not None:
        params["owner"] = owner_id
    return await deps.http.call(
        "GET",
        f"{deps.settings.links_url}/internal/v1/public-listing",
        Listing,
        params=params,
        headers={SERVICE_TOKEN: deps.settings.service_token.first()},
    )


def address(request: Request) -> str:
    """Whose calls are counted: whom the edge saw, an IPv6 address as its /64, of which anybody has all.

    It is the last that stands in X-Forwarded-For; what stands before that anybody may have written.
    """
    seen = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if not seen and request.client is not None:
        seen = request.client.host
    try:
        found = ipaddress.ip_address(seen)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
