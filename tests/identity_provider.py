"""A real OpenID Connect provider for tests: authlib's authorization server, on loopback, in a thread.

It has one user, who always agrees. Attributes make it lie, hang or change, as an attacker or a bad day would.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import uvicorn
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kit.settings import Secret

CLIENT_ID = "delinkcious"
CLIENT_SECRET = "between the two of us"
PATH = "/sign-in/{provider}/callback"
REDIRECT_URL = f"https://delinkcious.example{PATH}"


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    """A relying party that is registered with the provider."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    id_token_signed_response_alg: str = "RS256"

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """An authorization code that was not exchanged yet."""

    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@cache
def first_key() -> RSAKey:
    # Making one takes longer than most tests.
    return RSAKey.generate_key(2048)


@dataclass
class IdentityProvider:
    """The provider `issuer`; `person` are the claims of its user."""

    issuer: str
    provider_id: str
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "person-1"})
    # What the ID token says otherwise, and what the discovery document does.
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    # Only userinfo tells the address, as some providers have it.
    email_in_token: bool = True
    kid: str = "key-1"
    key: RSAKey = field(default_factory=first_key)
    published: list[Mapping[str, Any]] | None = None
    # Answers of a path instead of the true ones.
    instead: dict[str, Callable[[], Response]] = field(default_factory=dict)
    # The paths that were asked for.
    asked: list[str] = field(default_factory=list)
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    access_tokens: set[str] = field(default_factory=set)
    seen_headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        uri = REDIRECT_URL.replace("{provider}", self.provider_id)
        for client_id in (CLIENT_ID, "another-client"):
            self.clients[client_id] = Client(client_id, CLIENT_SECRET, (uri,))
        self._server = _Server(self)

    @property
    def jwks(self) -> dict[str, Any]:
        if self.published is not None:
            return {"keys": self.published}
        return {"keys": [{**self.key.as_dict(private=False), "kid": self.kid, "alg": "RS256", "use": "sig"}]}

    def rotate(self, kid: str) -> None:
        self.key, self.kid = RSAKey.generate_key(2048), kid

    def application(self) -> Starlette:
        paths = {
            "/.well-known/openid-configuration": self._discovery,
            "/jwks": self._jwks,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        return Starlette(
            routes=[
                Route(path, self._watched(answer), methods=["GET", "POST"]) for path, answer in paths.items()
            ]
        )

    def _watched(self, answer: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            path = request.url.path
            self.asked.append(path)
            self.seen_headers[path] = dict(request.headers)
            instead = self.instead.get(path)
            return instead() if instead else answer(request, await request.body())

        return endpoint

    def _discovery(self, _: Request, __: bytes) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                **self.metadata,
            }
        )

    def _jwks(self, _: Request, __: bytes) -> Response:
        return JSONResponse(self.jwks)

    def _authorize(self, request: Request, _: bytes) -> Response:
        asked = _AuthlibRequest(request, b"")
        grant = self._server.get_consent_grant(asked, end_user=self.person)
        answer: Response = self._server.create_authorization_response(
            asked, grant_user=self.person, grant=grant
        )
        return answer

    def _token(self, request: Request, body: bytes) -> Response:
        answer: Response = self._server.create_token_response(_AuthlibRequest(request, body))
        return answer

    def _userinfo(self, request: Request, _: bytes) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return JSONResponse(self.person, 200 if token in self.access_tokens else 401)


class _AuthlibPayload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, parameters: list[tuple[str, str]]) -> None:
        self._parameters = parameters

    @property
    def data(self) -> dict[str, str]:
        return dict(self._parameters)

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        values = defaultdict(list)
        for name, value in self._parameters:
            values[name].append(value)
        return values


class _AuthlibRequest(OAuth2Request):  # type: ignore[misc]
    """A starlette request as authlib reads one; it insists on https, which loopback does not need."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.method, str(request.url.replace(scheme="https")), headers=request.headers)
        self._form = dict(parse_qsl(body.decode()))
        self.payload = _AuthlibPayload([*request.query_params.multi_items(), *parse_qsl(body.decode())])

    @property
    def args(self) -> dict[str, str]:
        arguments: dict[str, str] = self.payload.data
        return arguments

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, provider: IdentityProvider) -> None:
        super().__init__()
        self.provider = provider
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: generate_token(42)))
        self.register_grant(_CodeGrant, [_IdToken(provider), CodeChallenge(required=True)])

    def query_client(self, client_id: str) -> Client | None:
        return self.provider.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.provider.access_tokens.add(token["access_token"])

    def create_oauth2_request(self, request: _AuthlibRequest) -> _AuthlibRequest:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        answer = JSONResponse(body, status) if isinstance(body, dict) else Response(body, status)
        answer.headers.update(dict(headers))
        return answer

    def send_signal(self, name: str, *arguments: Any, **named: Any) -> None:
        """Nobody listens."""


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        data = request.payload.data
        self.server.provider.codes[code] = Code(
            request.client.client_id,
            request.payload.redirect_uri,
            request.payload.scope,
            data.get("nonce"),
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        known: Code | None = self.server.provider.codes.get(code)
        return known if known is not None and known.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        codes = self.server.provider.codes
        for code in [code for code, known in codes.items() if known is authorization_code]:
            del codes[code]

    def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
        person: dict[str, Any] = self.server.provider.person
        return person


class _IdToken(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: IdentityProvider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self._provider.codes.values())

    def resolve_client_private_key(self, client: Client) -> Any:
        key = self._provider.key
        return KeySet([RSAKey.import_key({**key.as_dict(private=True), "kid": self._provider.kid})])

    def get_encode_header(self, client: Client) -> dict[str, str]:
        return {"alg": self.get_client_algorithm(client), "kid": self._provider.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._provider.issuer}

    def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
        told = dict(user) if self._provider.email_in_token else {"sub": user["sub"]}
        return UserInfo({**told, **self._provider.claims})


def configured(*providers: IdentityProvider, redirect_url: str = REDIRECT_URL) -> dict[str, Any]:
    """The settings of a users service that knows these providers."""
    listed = [
        {
            "id": each.provider_id,
            "name": each.provider_id.title(),
            "issuer": each.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        for each in providers
    ]
    return {
        "oidc_providers": Secret(msgspec.json.encode(listed).decode()),
        "oidc_redirect_url": redirect_url,
    }


@contextmanager
def running(provider_id: str) -> Iterator[IdentityProvider]:
    """A provider at a port of its own, until the block ends."""
    config = uvicorn.Config(
        Starlette(),
        host="127.0.0.1",
        port=0,
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=0,
    )
    socket = config.bind_socket()
    provider = IdentityProvider(f"http://127.0.0.1:{socket.getsockname()[1]}", provider_id)
    config.app = provider.application()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


def answered(location: str) -> dict[str, str]:
    """The parameters with which a provider sends a browser back."""
    return dict(parse_qsl(urlsplit(location).query))
