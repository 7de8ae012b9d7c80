"""The service keeps to its own OpenAPI description, whatever it is sent."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from services.kit.endpoint import Access
from services.kit.settings import Secret
from services.users.app import ENDPOINTS, VERSION
from services.users.client import UsersClient
from tests.conformance import assert_conforms, described, listening
from tests.integration.users.conftest import PASSWORD, bearer

PUBLIC = [endpoint for endpoint in ENDPOINTS if endpoint.access is not Access.INTERNAL]
DOCUMENT = described("users", VERSION, PUBLIC)


@pytest.mark.anyio
async def test_no_request_is_answered_outside_of_the_description(app: Starlette, users: UsersClient) -> None:
    await users.sign_up("ada", Secret(PASSWORD))
    async with listening(app) as base_url:
        for path, operations in DOCUMENT["paths"].items():
            for method, operation in operations.items():
                # A session of its own for each: some of them end it.
                headers = bearer((await users.sign_in("ada", Secret(PASSWORD))).access_token)
                alone = {**DOCUMENT, "paths": {path: {method: operation}}}
                await assert_conforms(alone, base_url, headers)
