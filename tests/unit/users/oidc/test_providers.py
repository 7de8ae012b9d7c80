from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.kit.settings import InvalidSettings, Secret
from services.users.oidc.providers import MAX_PROVIDERS, is_safe, read_providers

REDIRECT_URL = "https://delinkcious.example/sign-in/{provider}/callback"
GOOD = {
    "id": "acme",
    "name": "Acme",
    "issuer": "https://id.acme.example",
    "client_id": "delinkcious",
    "client_secret": "s3cr3t",
}


def setting(*providers: dict[str, Any]) -> Secret:
    return Secret(msgspec.json.encode(list(providers)).decode())


def test_providers_are_read_by_id() -> None:
    read = read_providers(setting(GOOD, {**GOOD, "id": "b", "issuer": "https://b.example/x"}), REDIRECT_URL)
    assert list(read) == ["acme", "b"]
    assert read["acme"].scopes == ("openid", "email", "profile")
    assert "s3cr3t" not in repr(read)
    assert read_providers(Secret(""), "") == read_providers(Secret("[]"), "") == {}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"id": "Acme!"}, "id"),
        ({"name": ""}, "name"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": 1}, "client_secret"),
        ({"client_id": "é"}, "client"),
        ({"issuer": "http://id.acme.example"}, "issuer"),
        ({"issuer": "https://id.acme.example?x=1"}, "issuer"),
        ({"scopes": ["email"]}, "openid"),
        ({"secret": "s3cr3t"}, "secret"),
    ],
    ids=str,
)
def test_a_wrong_provider_is_named_and_its_secret_is_not(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidSettings, match="OIDC_PROVIDERS") as raised:
        read_providers(setting({**GOOD, **changed}), REDIRECT_URL)
    assert named in str(raised.value) and "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    "providers",
    [
        [GOOD, {**GOOD, "issuer": "https://other.example"}],
        [GOOD, {**GOOD, "id": "other"}],
        [{**GOOD, "id": f"p{n}", "issuer": f"https://p{n}.example"} for n in range(MAX_PROVIDERS + 1)],
    ],
    ids=["an id twice", "an issuer twice", "too many"],
)
def test_each_id_and_each_issuer_is_there_once(providers: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidSettings, match="once"):
        read_providers(setting(*providers), REDIRECT_URL)


@pytest.mark.parametrize("text", ["{", "{}", "null", '"x"', "[1]"])
def test_what_is_no_list_of_providers_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="OIDC_PROVIDERS"):
        read_providers(Secret(text), REDIRECT_URL)


@pytest.mark.parametrize("url", ["", "https://delinkcious.example/callback", "http://x.example/{provider}"])
def test_every_provider_needs_a_redirect_address_of_its_own(url: str) -> None:
    with pytest.raises(InvalidSettings, match="OIDC_REDIRECT_URL"):
        read_providers(setting(GOOD), url)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example", True),
        ("https://id.example:8443/realms/a?x=1", True),
        ("http://localhost:9000", True),
        ("http://127.0.0.1:9000/token", True),
        ("http://[::1]:9000", True),
        ("http://id.example", False),
        ("http://169.254.169.254/", False),
        ("http://localhost.evil.example", False),
        ("https://user@id.example", False),
        ("https://id.example/#fragment", False),
        ("https://", False),
        ("https://id.example:99999", False),
        ("https://[id.example", False),
        ("https://id.example/ x", True),
        ("https://id.example/\n", False),
        ("https://idé.example", False),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_addresses_that_cannot_be_listened_to_are_safe(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
