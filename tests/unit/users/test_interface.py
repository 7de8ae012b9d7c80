from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

from services.kit.endpoint import Access
from services.kit.serving import openapi
from services.kit.settings import describe
from services.users.app import ENDPOINTS, VERSION
from services.users.settings import UsersSettings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.describe("users", VERSION, ENDPOINTS)


def test_the_description_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_only_what_cannot_ask_for_a_token_is_public() -> None:
    public = {f"{each.method} {each.path}" for each in ENDPOINTS if each.access is Access.PUBLIC}
    assert public == {
        "POST /api/v1/users",
        "POST /api/v1/users/oidc",
        "POST /api/v1/sessions",
        "POST /api/v1/sessions/refresh",
        "GET /api/v1/identity-providers",
        "POST /api/v1/sessions/oidc",
        "POST /api/v1/sessions/oidc/callback",
    }


def test_secrets_are_described_as_such(document: dict[str, Any]) -> None:
    sign_up = document["components"]["schemas"]["SignUp"]
    assert sign_up["properties"]["password"]["format"] == "password"


def test_where_a_secret_goes_in_or_out_the_kit_keeps_no_record() -> None:
    without = {f"{each.method} {each.path}" for each in ENDPOINTS if each.idempotent is False}
    assert without == {
        "POST /api/v1/users",
        "DELETE /api/v1/users/me",
        "PUT /api/v1/users/me/password",
        "POST /api/v1/sessions",
        "POST /api/v1/sessions/refresh",
        "POST /api/v1/tokens",
        "POST /api/v1/users/oidc",
        "POST /api/v1/users/me/identities",
        "POST /api/v1/sessions/oidc",
        "POST /api/v1/sessions/oidc/callback",
    }


def test_every_setting_is_described() -> None:
    settings = {setting.name: setting for setting in describe(UsersSettings)}
    assert {"JWKS_PORT", "KEY_ENCRYPTION_KEY", "TRUSTED_PROXIES"} <= settings.keys()
    assert all(setting.description for setting in settings.values())
