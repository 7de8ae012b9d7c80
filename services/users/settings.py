"""What the users service is told besides what every service is."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from msgspec import Meta

from services.kit.settings import LIVE, Port, Positive, Secret, ServiceSettings
from services.users.domain import MAX_API_TOKENS, MAX_SESSIONS
from services.users.oidc.domain import MAX_IDENTITIES
from services.users.throttle import Limit, Limits

# A bucket's time until it is empty stays one that a database can write.
Burst = Annotated[int, Meta(ge=1, le=50_000)]
Every = Annotated[float, Meta(gt=0, le=1_000_000)]


class UsersSettings(ServiceSettings, frozen=True, kw_only=True):
    jwks_port: Annotated[
        Port, Meta(description="Port that serves /.well-known/jwks.json and nothing else.")
    ] = 8081
    key_encryption_key: Annotated[
        Secret,
        Meta(
            description="Encrypts the signing keys at rest: 32 bytes in Base64 (`openssl rand -base64 32`). "
            "To change it, give the new one and the old one with a comma between until the old keys are gone."
        ),
    ] = Secret("")
    trusted_proxies: Annotated[
        int,
        Meta(
            ge=0,
            description="Proxies before this service that append to X-Forwarded-For; 1: the ingress gateway.",
        ),
    ] = 1
    argon2_concurrency: Annotated[
        Positive, Meta(description="Password hashes computed at the same time, one core and 19 MiB each.")
    ] = 2
    argon2_queue: Annotated[
        Positive, Meta(description="Password hashes that wait; one more is answered 503.")
    ] = 32
    sign_ups_open: Annotated[
        bool, Meta(description="Whether strangers may make accounts; else they are answered 403.", extra=LIVE)
    ] = True
    sign_in_burst: Annotated[
        Burst, Meta(description="Wrong passwords for one account from one address that are free.", extra=LIVE)
    ] = 5
    sign_in_every_s: Annotated[
        Every,
        Meta(description="After the burst, one attempt is free again each so many seconds.", extra=LIVE),
    ] = 60.0
    sign_in_address_burst: Annotated[
        Burst,
        Meta(
            description="Wrong passwords from one address, whatever the accounts, that are free.", extra=LIVE
        ),
    ] = 50
    sign_in_address_every_s: Annotated[
        Every,
        Meta(description="After the burst, one attempt is free again each so many seconds.", extra=LIVE),
    ] = 10.0
    sign_up_burst: Annotated[
        Burst, Meta(description="Sign-ups from one address, taken names included, that are free.", extra=LIVE)
    ] = 20
    sign_up_every_s: Annotated[
        Every,
        Meta(description="After the burst, one sign-up is free again each so many seconds.", extra=LIVE),
    ] = 60.0

    oidc_providers: Annotated[
        Secret,
        Meta(
            description="Identity providers to sign in with: a JSON list of "
            '{"id", "name", "issuer", "client_id", "client_secret", "scopes"}; see docs/accounts.md.'
        ),
    ] = Secret("")
    oidc_redirect_url: Annotated[
        str,
        Meta(description="Where a provider sends the browser back to, with {provider} in the path."),
    ] = ""
    oidc_burst: Annotated[
        Burst, Meta(description="Sign-ins elsewhere begun from one address that are free.", extra=LIVE)
    ] = 30
    oidc_every_s: Annotated[
        Every, Meta(description="After the burst, one is free again each so many seconds.", extra=LIVE)
    ] = 10.0
    max_sessions: Annotated[
        Positive, Meta(description="Sessions of an account; one more ends the least recently used.")
    ] = MAX_SESSIONS
    max_api_tokens: Annotated[
        Positive, Meta(description="API tokens of an account; one more is refused.")
    ] = MAX_API_TOKENS
    max_identities: Annotated[
        Positive, Meta(description="Identities that sign in to an account; one more is refused.")
    ] = MAX_IDENTITIES
    audit_days: Annotated[Positive, Meta(description="How long an entry of the audit log is kept.")] = 180

    def limits(self) -> Limits:
        """The throttles' limits."""
        return Limits(
            sign_in=_limit("sign-in", self.sign_in_burst, self.sign_in_every_s),
            sign_in_address=_limit(
                "sign-in-address", self.sign_in_address_burst, self.sign_in_address_every_s
            ),
            sign_up_address=_limit("sign-up-address", self.sign_up_burst, self.sign_up_every_s),
            confirm=_limit("confirm", self.sign_in_burst, self.sign_in_every_s),
            elsewhere_address=_limit("elsewhere-address", self.oidc_burst, self.oidc_every_s),
        )


def _limit(name: str, burst: int, every_s: float) -> Limit:
    return Limit(name, burst, dt.timedelta(seconds=every_s))
