"""Does an installation work? Signs up, saves a link, reads it back through the gateway, and leaves nothing.

`python -m delinkcious.smoke --server https://delinkcious.example` is what `helm test` runs: a line for each
step, exit code 0 when all of them went well, else another and a sentence.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import click
import httpx

from services.kit.errors import (
    BadGateway,
    DeadlineExceeded,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
)
from services.kit.http import TIMEOUT_S, HttpClient
from services.kit.settings import Secret
from services.links.client import LinkQuery, LinksClient, NewLink
from services.users.client import UsersClient

T = TypeVar("T")

# What an installation answers that is only just starting: no route, no pod, or keys that nobody has read.
NOT_YET = (Unavailable, DeadlineExceeded, BadGateway, NotFound, Unauthenticated)
AGAIN_S = 1.0


class Wrong(click.ClickException):
    """An installation that does not work: printed as one sentence, exit code 1."""


class Named(httpx.AsyncHTTPTransport):
    """Sends to the address of the URL and asks for another name there, as the certificate says it."""

    def __init__(self, name: str, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust)
        self._name = name

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["host"] = self._name
        request.extensions = {**request.extensions, "sni_hostname": self._name}
        return await super().handle_async_request(request)


def trusted(ca: Path | None, insecure: bool) -> ssl.SSLContext:
    """Whom to believe: `ca` alone, else the system's authorities, or nobody's certificate at all."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def connected(name: str, trust: ssl.SSLContext) -> AsyncIterator[HttpClient]:
    transport = Named(name, trust) if name else httpx.AsyncHTTPTransport(verify=trust)
    async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S) as client:
        yield HttpClient(client)


async def patiently(step: Callable[[], Awaitable[T]], until: float) -> T:
    """What `step` gives, tried again until `until` (monotonic) as long as the installation is not there."""
    while True:
        try:
            return await step()
        except NOT_YET:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(AGAIN_S)


async def signed_in(users: UsersClient, until: float) -> tuple[str, Secret, Secret]:
    """A new account: its name, its password and an access token."""
    username, password = f"smoke-{secrets.token_hex(6)}", Secret(secrets.token_urlsafe(24))
    await patiently(lambda: users.sign_up(username, password), until)
    tokens = await patiently(lambda: users.sign_in(username, password), until)
    click.echo(f"signed up and in as {username}")
    return username, password, tokens.access_token


async def saved_and_read(links: LinksClient, username: str, until: float) -> None:
    """Raises Wrong when what is read is not what was saved."""
    wanted = NewLink(url=f"https://example.org/{username}", title="Smoke", tags=("smoke",))
    link, _ = await patiently(lambda: links.save(wanted), until)
    click.echo(f"saved {link.url} as link {link.id}")
    found = await links.get(link.id)
    listed = [each.id for each in (await links.page(LinkQuery(tag=["smoke"]))).items]
    if (found.url, found.title, tuple(found.tags)) != (wanted.url, wanted.title, wanted.tags):
        raise Wrong(f"saved {wanted}, read {found}")
    if listed != [link.id]:
        raise Wrong(f"saved link {link.id}, and the list has {listed}")
    click.echo("read it back, by itself and in the list")


async def smoke(server: str, name: str, trust: ssl.SSLContext, within_s: float) -> None:
    """All the steps; the account goes at the end, whatever happened."""
    until = time.monotonic() + within_s
    async with connected(name, trust) as http:
        users = UsersClient(http, server)
        username, password, token = await signed_in(users, until)

        async def access() -> str:
            return token.reveal()

        try:
            await saved_and_read(LinksClient(http, access, server), username, until)
        finally:
            await users.delete_account(token, password)
        click.echo(f"deleted {username} and all of theirs")


def told(problem: Problem) -> str:
    """What went wrong, and whether it was that nobody trusts who answered."""
    causes: list[BaseException] = [problem]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    untrusted = any("CERTIFICATE_VERIFY_FAILED" in str(one) for one in causes)
    sentence = problem.detail or problem.title
    return f"{sentence}: its certificate is not trusted (--ca names whom to trust)" if untrusted else sentence


@click.command()
@click.option("--server", required=True, metavar="URL", help="The gateway's address, https.")
@click.option("--name", default="", metavar="HOST", help="Whom to ask for there [default: the URL's host].")
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Certificates to trust."
)
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option("--within", "within_s", default=60.0, show_default=True, metavar="SECONDS")
def main(server: str, name: str, ca: Path | None, insecure: bool, within_s: float) -> None:
    """Try an installation: sign up, save a link, read it back."""
    began = time.monotonic()
    try:
        asyncio.run(smoke(server.rstrip("/"), name, trusted(ca, insecure), within_s))
    except Problem as problem:
        raise Wrong(told(problem)) from None
    click.echo(f"all is well ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    main()
