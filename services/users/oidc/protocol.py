"""The relying party: sends a browser to a provider, and learns who came back. The protocol is authlib's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact
from msgspec import Meta

from services.kit.errors import Forbidden
from services.users.domain import InvalidAccount, check_email
from services.users.oidc.attempt import Attempt
from services.users.oidc.directory import Directory, Metadata
from services.users.oidc.http import Answer, ProviderFault, ProviderHttp
from services.users.oidc.providers import PLACEHOLDER, Provider

# Signatures by a private key only: with a shared secret or none, whoever knows our half could sign.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
# Clocks of two companies differ by this much at most.
LEEWAY_S = 60
MAX_SUBJECT_CHARACTERS = 255

_log = structlog.get_logger(__name__)


class IdentityRefused(Forbidden):
    """The provider does not vouch for anybody, or not to us, or not for this sign-in."""

    title = "The identity provider does not confirm this sign-in"


@dataclass(frozen=True)
class Proven:
    """Somebody at a provider, beyond doubt; `email` only if the provider has verified it."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    nickname: str

    def __repr__(self) -> str:
        return f"Proven(provider={self.provider!r})"


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _Claims(msgspec.Struct, frozen=True):
    # What no store can hold is nobody.
    sub: Annotated[
        str, Meta(min_length=1, max_length=MAX_SUBJECT_CHARACTERS, pattern=r"^[^\x00\ud800-\udfff]+\Z")
    ]
    email: str | None = None
    # Some send a text; only the value that the specification knows counts.
    email_verified: object = False
    preferred_username: str | None = None


class RelyingParty:
    """This installation, towards the providers of its settings."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        http: ProviderHttp,
        *,
        redirect_url: str,
        now: Callable[[], float],
    ) -> None:
        self.providers = providers
        self._http = http
        self._redirect_url = redirect_url
        self._now = now
        self._directories = {name: Directory(provider, http, now) for name, provider in providers.items()}

    async def authorization_url(self, provider: Provider, attempt: Attempt) -> str:
        """Where to send the browser."""
        metadata = await self._directories[provider.id].metadata()
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            provider.client_id,
            "code",
            redirect_uri=self._redirect_uri(provider),
            scope=provider.scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.code_verifier),
            code_challenge_method="S256",
        )
        return url

    async def identify(self, provider: Provider, attempt: Attempt, code: str, iss: str | None) -> Proven:
        """Exchange the code that the browser brought, once, and verify what it gives.

        `iss` is the answer's parameter of that name (RFC 9207). Raises IdentityRefused, ProviderUnavailable
        or ProviderFault.
        """
        metadata = await self._directories[provider.id].metadata()
        required = metadata.authorization_response_iss_parameter_supported
        if (iss is None and required) or (iss is not None and iss != provider.issuer):
            raise IdentityRefused("the answer is another provider's")
        tokens = await self._exchange(provider, metadata, attempt, code)
        claims = await self._verified(provider, attempt, tokens)
        if claims.email is None and metadata.userinfo_endpoint is not None and tokens.access_token:
            claims = await self._with_userinfo(metadata.userinfo_endpoint, tokens.access_token, claims)
        return Proven(
            provider.id,
            provider.issuer,
            claims.sub,
            _verified_email(claims),
            claims.preferred_username or (claims.email or "").partition("@")[0],
        )

    async def _exchange(self, provider: Provider, metadata: Metadata, attempt: Attempt, code: str) -> _Tokens:
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._redirect_uri(provider),
            code_verifier=attempt.code_verifier,
        )
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secret = provider.client_secret.reveal()
        auth = ClientAuth(provider.client_id, secret, _auth_method(metadata, secret))
        url, headers, body = auth.prepare("POST", metadata.token_endpoint, headers, body)
        answer = await self._http.ask("POST", url, body=body, headers=headers)
        if 400 <= answer.status < 500:
            raise IdentityRefused(f"{provider.name} refuses: {_reason(answer)}")
        return answer.read(_Tokens)

    async def _verified(self, provider: Provider, attempt: Attempt, tokens: _Tokens) -> _Claims:
        try:
            kid = extract_compact(tokens.id_token.encode()).headers().get("kid")
            keys = await self._directories[provider.id].keys(kid)
            registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
            token = jwt.decode(tokens.id_token, keys, registry=registry)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": provider.client_id},
                },
                params={
                    "nonce": attempt.nonce,
                    "client_id": provider.client_id,
                    "access_token": tokens.access_token,
                },
            )
            claims.validate(now=int(self._now()), leeway=LEEWAY_S)
            return msgspec.convert(dict(claims), _Claims)
        except (JoseError, ValueError, TypeError, KeyError, msgspec.ValidationError) as error:
            # The last ones are the libraries' for tokens that are none at all; they may quote them.
            why = str(error) if isinstance(error, JoseError) else type(error).__name__
            _log.warning("ID token refused", provider=provider.id, why=why)
            raise IdentityRefused(f"{provider.name} sent a token that proves nothing") from error

    async def _with_userinfo(self, url: str, access_token: str, claims: _Claims) -> _Claims:
        headers = {"authorization": f"Bearer {access_token}"}
        if not access_token.isascii() or not access_token.isprintable():
            raise ProviderFault("the provider's access token is none")
        told = (await self._http.ask("GET", url, headers=headers)).read(_Claims)
        # OpenID Connect Core, section 5.3.2: otherwise it may be about somebody else.
        if told.sub != claims.sub:
            raise ProviderFault("the provider told about somebody else")
        return told

    def _redirect_uri(self, provider: Provider) -> str:
        # One of its own for each provider: an answer cannot be taken for that of another one.
        return self._redirect_url.replace(PLACEHOLDER, provider.id)


def _auth_method(metadata: Metadata, secret: str) -> str:
    if not secret:
        return "none"
    offered = metadata.token_endpoint_auth_methods_supported
    post = "client_secret_post" in offered and "client_secret_basic" not in offered
    return "client_secret_post" if post else "client_secret_basic"


def _verified_email(claims: _Claims) -> str | None:
    if claims.email_verified is not True:
        return None
    try:
        return check_email(claims.email)
    except InvalidAccount:
        return None


def _reason(answer: Answer) -> str:
    """The error code of RFC 6749, if it is one; nothing else of an answer goes any further."""
    try:
        error = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw]).get(
            "error", msgspec.Raw(b'""')
        )
        code = msgspec.json.decode(error, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        code = ""
    return (
        code
        if code.replace("_", "").isascii() and code.replace("_", "").isalpha() and len(code) < 50
        else str(answer.status)
    )
