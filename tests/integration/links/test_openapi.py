"""The service keeps to its own OpenAPI description, whatever it is sent."""

from __future__ import annotations

import pytest
from openapi_spec_validator import validate
from starlette.applications import Starlette

from services.links.app import ENDPOINTS, VERSION
from tests.access_tokens import TokenMint
from tests.conformance import assert_conforms, described, listening

DOCUMENT = described("links", VERSION, ENDPOINTS)


def test_the_description_is_valid_openapi() -> None:
    validate(DOCUMENT)


@pytest.mark.anyio
async def test_no_request_is_answered_outside_of_the_description(
    app: Starlette, token_mint: TokenMint
) -> None:
    async with listening(app) as base_url:
        await assert_conforms(DOCUMENT, base_url, token_mint.headers(1))
