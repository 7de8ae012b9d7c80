"""Requests to identity providers: few at a time, short, small, without cookies, redirects or our headers.

Not the kit's client: what it passes on to peers (trace context, deadlines, baggage) is not for outsiders.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec

from services.kit.errors import FailedDependency

T = TypeVar("T")

# A request to this service asks a provider four times at most (nothing is known yet) and has 10 s itself.
TIMEOUT_S = 2.4
# A discovery document has 5 kB, a set of keys rarely 20.
MAX_ANSWER_BYTES = 256 * 1024
# Requests to one host at a time; one more is refused, since a provider that hangs holds all of them.
PLACES = 16


class ProviderUnavailable(FailedDependency):
    title = "The identity provider cannot be reached"


class ProviderFault(FailedDependency):
    """It answered something that no provider should."""

    title = "The identity provider is faulty"


@dataclass(frozen=True, repr=False)
class Answer:
    """An answer of a provider, whole; `url` without its query names it."""

    url: str
    status: int
    content: bytes

    def read(self, kind: type[T]) -> T:
        """The JSON of a successful answer as `kind`; raises ProviderFault."""
        if self.status != 200:
            raise ProviderFault(f"{self.url} answered {self.status}")
        try:
            return msgspec.json.decode(self.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderFault(
                f"{self.url} answered something else than OpenID Connect has there"
            ) from error


class ProviderHttp:
    """Asks providers; raises ProviderUnavailable and ProviderFault."""

    def __init__(self, session: aiohttp.ClientSession, *, places: int = PLACES, timeout_s: float = TIMEOUT_S):
        self._session = session
        self._places = places
        self._busy: Counter[str] = Counter()
        self._timeout_s = timeout_s

    async def ask(
        self, method: str, url: str, *, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, never repeated and never redirected."""
        host = urlsplit(url).netloc
        if self._busy[host] == self._places:
            raise ProviderUnavailable("many sign-ins wait for this identity provider")
        self._busy[host] += 1
        sent = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    method, url, data=body, headers=sent, allow_redirects=False
                ) as response,
            ):
                content = await _bounded(response, url)
                return Answer(_plain(url), response.status, content)
        except TimeoutError as error:
            raise ProviderUnavailable(f"{_plain(url)} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderUnavailable(f"{_plain(url)} cannot be reached") from error
        except ValueError as error:
            raise ProviderFault(f"{_plain(url)} does not speak HTTP") from error
        finally:
            self._busy[host] -= 1


@asynccontextmanager
async def open_provider_http() -> AsyncIterator[ProviderHttp]:
    """The connections to providers; they obey HTTPS_PROXY and trust SSL_CERT_FILE beside the usual roots."""
    # Both read files.
    context = await asyncio.to_thread(httpx.create_ssl_context)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit_per_host=PLACES, ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=True,
    ) as session:
        yield ProviderHttp(session)


async def _bounded(response: aiohttp.ClientResponse, url: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise ProviderFault(f"{_plain(url)} answered more than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _plain(url: str) -> str:
    return url.partition("?")[0]
