from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from services.kit.endpoint import Access
from services.kit.serving import openapi
from services.kit.settings import describe
from services.social_graph import api, internal_api
from services.social_graph.app import ENDPOINTS, VERSION
from services.social_graph.settings import SocialGraphSettings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description as a client reads it."""
    described: dict[str, Any] = json.loads(
        msgspec.json.encode(openapi.describe("social-graph", VERSION, api.ENDPOINTS))
    )
    return described


def test_the_description_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_the_description_names_each_refusal(document: dict[str, Any]) -> None:
    follow = document["paths"]["/api/v1/following/{username}"]["put"]
    assert {"204", "401", "403", "404", "409", "422", "503"} <= follow["responses"].keys()
    assert "follow-refused" in follow["responses"]["403"]["description"]


def test_every_public_path_asks_for_a_token_and_every_internal_one_for_a_service() -> None:
    assert {each.access for each in api.ENDPOINTS} == {Access.READ, Access.WRITE}
    assert all((each.access is Access.WRITE) == (each.method != "GET") for each in api.ENDPOINTS)
    assert {each.access for each in internal_api.ENDPOINTS} == {Access.INTERNAL}
    assert len(ENDPOINTS) == len(api.ENDPOINTS) + len(internal_api.ENDPOINTS)


def test_every_setting_is_described() -> None:
    settings = {setting.name: setting for setting in describe(SocialGraphSettings)}
    assert {"USERS_URL", "MAX_FOLLOWING", "MAX_BLOCKS", "CHANGE_BURST", "CHANGE_EVERY_S"} <= settings.keys()
    assert all(setting.description for setting in settings.values())
