"""What anybody may read of other people's links, asked for on nobody's behalf."""

from __future__ import annotations

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
        headers={SERVICE_TOKEN: deps.settings.service_token.reveal()},
    )
