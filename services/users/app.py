"""The users service composed: its settings, what its handlers work with, its tables of requests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from starlette.applications import Starlette

from services.kit import run
from services.kit.app import create_app
from services.kit.db import Database
from services.kit.events.outbox import publish_from
from services.kit.live.settings import Live
from services.kit.resources import Resources
from services.users import (
    account_api,
    audit_api,
    internal_api,
    jwks_api,
    session_api,
    sign_in_api,
    token_api,
)
from services.users.audit_store import AuditStore
from services.users.deps import Deps
from services.users.encryption import KeyEncryption
from services.users.housekeeping import Housekeeping
from services.users.key_store import KeyStore
from services.users.keys import RotationPolicy
from services.users.metrics import Metrics
from services.users.oidc import api as oidc_api
from services.users.oidc import identity_api
from services.users.oidc.http import ProviderHttp, open_provider_http
from services.users.oidc.protocol import RelyingParty
from services.users.oidc.providers import read_providers
from services.users.oidc.store import AttemptStore, IdentityStore
from services.users.passwords import Passwords
from services.users.session_store import SessionStore
from services.users.settings import UsersSettings
from services.users.signer import Signer
from services.users.store import UserStore
from services.users.throttle import Slowing, Throttle
from services.users.token_store import TokenStore

Clock = Callable[[], dt.datetime]

VERSION = "1"
TABLES = (account_api, sign_in_api, session_api, token_api, oidc_api, identity_api, audit_api, internal_api)
ENDPOINTS = tuple(endpoint for table in TABLES for endpoint in table.ENDPOINTS)
# Sign-ins that may wait because their account is under attack: a third of what the service does at once.
SLOWED_AT_ONCE = 32


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def compose(
    live: Live[UsersSettings],
    database: Database,
    provider_http: ProviderHttp,
    metrics: Metrics,
    clock: Clock = utc_now,
) -> tuple[Deps, KeyStore]:
    """What the handlers work with, and where the keys are; raises InvalidSettings."""
    settings = live.now
    encryption = KeyEncryption(settings.key_encryption_key)
    keys = KeyStore(database, encryption, RotationPolicy())
    pepper = encryption.derive("tokens")
    deps = Deps(
        database=database,
        users=UserStore(database),
        sessions=SessionStore(database, pepper, most=settings.max_sessions),
        tokens=TokenStore(database, pepper, most=settings.max_api_tokens),
        identities=IdentityStore(database, most=settings.max_identities),
        attempts=AttemptStore(database, encryption.derive("sign-ins elsewhere")),
        audit=AuditStore(database),
        relying_party=RelyingParty(
            read_providers(settings.oidc_providers, settings.oidc_redirect_url),
            provider_http,
            redirect_url=settings.oidc_redirect_url,
            now=lambda: clock().timestamp(),
        ),
        throttle=Throttle(database, encryption.derive("throttle")),
        slowing=Slowing(SLOWED_AT_ONCE),
        live=live,
        passwords=Passwords(metrics, concurrency=settings.argon2_concurrency, queue=settings.argon2_queue),
        signer=Signer(keys, encryption, issuer=settings.issuer, audience=settings.audience, clock=clock),
        metrics=metrics,
        clock=clock,
        trusted_proxies=settings.trusted_proxies,
    )
    return deps, keys


def create(settings: UsersSettings, clock: Clock = utc_now) -> Starlette:
    """The ASGI application, in the time that `clock` gives; raises InvalidSettings."""
    KeyEncryption(settings.key_encryption_key)
    read_providers(settings.oidc_providers, settings.oidc_redirect_url)

    async def open_deps(resources: Resources) -> Deps:
        await publish_from(resources, settings, "users")
        provider_http = await resources.enter("identity providers", open_provider_http())
        metrics = Metrics(resources.registry)
        deps, keys = compose(resources.live, resources.database, provider_http, metrics, clock)
        housekeeping = Housekeeping(deps, keys, dt.timedelta(days=settings.audit_days))
        await resources.enter("signing keys", housekeeping.running(), ping=deps.signer.ping)
        return deps

    async def fetch_keys(deps: Deps) -> bytes:
        return deps.signer.jwks

    return create_app(
        service="users",
        version=VERSION,
        endpoints=ENDPOINTS,
        open_deps=open_deps,
        settings=settings,
        listeners={settings.jwks_port: jwks_api.ENDPOINTS},
        fetch_keys=fetch_keys,
    )


def main() -> None:
    """Serve, and exit."""
    run.main("services.users", UsersSettings, create)
