"""Which identity providers people may sign in with: read from the settings, checked at the start."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from services.kit.settings import InvalidSettings, Secret, decode_secret

PLACEHOLDER = "{provider}"
MAX_PROVIDERS = 20


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider; `id` stands in addresses, `name` on buttons. An empty secret is a public client's."""

    id: Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    issuer: str
    client_id: Annotated[str, Meta(min_length=1)]
    client_secret: Secret = Secret("")
    scopes: tuple[str, ...] = ("openid", "email", "profile")


def read_providers(setting: Secret, redirect_url: str) -> Mapping[str, Provider]:
    """The providers in a JSON list, by id; raises InvalidSettings without a word of any secret."""
    if not setting:
        return {}
    try:
        listed = msgspec.json.decode(setting.reveal(), type=list[Provider], dec_hook=decode_secret)
    except msgspec.MsgspecError as error:
        raise InvalidSettings(f"OIDC_PROVIDERS: {error}") from error
    for provider in listed:
        if not is_safe(provider.issuer) or urlsplit(provider.issuer).query:
            raise InvalidSettings(f"OIDC_PROVIDERS: the issuer of {provider.id} is not an https address")
        if not (provider.client_id + provider.client_secret.reveal()).isascii():
            raise InvalidSettings(f"OIDC_PROVIDERS: the client of {provider.id} is not written in ASCII")
        if "openid" not in provider.scopes:
            raise InvalidSettings(f"OIDC_PROVIDERS: the scopes of {provider.id} lack openid")
    providers = {provider.id: provider for provider in listed}
    issuers = {provider.issuer for provider in listed}
    if not len(providers) == len(issuers) == len(listed) <= MAX_PROVIDERS:
        raise InvalidSettings(f"OIDC_PROVIDERS: at most {MAX_PROVIDERS}, each id and each issuer once")
    if listed and not (PLACEHOLDER in redirect_url and is_safe(redirect_url.replace(PLACEHOLDER, "x"))):
        raise InvalidSettings(f"OIDC_REDIRECT_URL: an https address with {PLACEHOLDER} in it")
    return providers


def is_safe(url: str) -> bool:
    """Whether an address is https, or http to this very machine, and plain: no user, no fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
