"""`delinkcious sign-up`, `sign-in` and `sign-out`: an account, and a session of this computer."""

from __future__ import annotations

import sys

import click

from delinkcious.asking import Failed, run, server_option
from delinkcious.session import connect
from services.kit.errors import Conflict
from services.kit.settings import Secret

_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it."
)


@click.command("sign-up")
@click.argument("name")
@server_option
@_password_stdin
def sign_up(name: str, server: str | None, password_stdin: bool) -> None:
    """Make an account called NAME and sign in."""
    password = _password(password_stdin, confirm=True)

    async def work() -> str:
        async with connect(server) as there:
            try:
                user = await there.users.sign_up(name, password)
            except Conflict:
                raise Failed(f"{name} is taken; if it is you: delinkcious sign-in {name}") from None
            await there.sign_in(user.username, password)
            return f"Welcome, {user.username}. You are signed in at {there.url}."

    click.echo(run(work()))


@click.command("sign-in")
@click.argument("name")
@server_option
@_password_stdin
def sign_in(name: str, server: str | None, password_stdin: bool) -> None:
    """Sign in as NAME; the session is kept for the commands that follow."""
    password = _password(password_stdin, confirm=False)

    async def work() -> str:
        async with connect(server) as there:
            await there.sign_in(name, password)
            return f"Signed in at {there.url} as {name}."

    click.echo(run(work()))


@click.command("sign-out")
@server_option
def sign_out(server: str | None) -> None:
    """End the session of this computer, here and at the server."""

    async def work() -> str:
        async with connect(server) as there:
            return f"{await there.sign_out()} is signed out at {there.url}."

    click.echo(run(work()))


def _password(from_stdin: bool, *, confirm: bool) -> Secret:
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: use --password-stdin")
    return Secret(click.prompt("Password", hide_input=True, confirmation_prompt=confirm))
