"""How a command talks to a server: runs its coroutine, and turns what goes wrong into one clear sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from delinkcious.session import NotSignedIn
from delinkcious.terminal import shown
from services.kit.errors import Problem, TooManyRequests, Unauthenticated, Unavailable

T = TypeVar("T")

# Beside click's own (1: refused or failed, 2: wrong usage).
NOT_SIGNED_IN = 3
UNREACHABLE = 4
# What an edge answers in the place of a service.
NOT_READY = (502, 503, 504)
INTERRUPTED = 130  # 128 + SIGINT, as shells say it

server_option = click.option(
    "--server",
    metavar="URL",
    help="Where Delinkcious runs [default: $DELINKCIOUS_SERVER, else the installation of this checkout, "
    "else the one server where you are signed in]",
)


output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)


class Failed(click.ClickException):
    """Printed as one sentence; ends the program with `exit_code`."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code  # type: ignore[misc]  # click says ClassVar, and reads the instance


def run(work: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; raises Failed for whatever a server or the network has to say."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise Failed("interrupted", INTERRUPTED) from None
    except NotSignedIn as error:
        raise Failed(f"{error}; use `delinkcious sign-in`", NOT_SIGNED_IN) from None
    except Problem as problem:
        raise failed(problem) from None


def failed(problem: Problem) -> Failed:
    sentence = shown(problem.detail or problem.title)
    # No service said this, or it would have said why: the edge did, which finds none that is ready.
    if problem.status in NOT_READY and sentence.endswith(f" answered {problem.status}"):
        sentence = f"Delinkcious is not ready ({problem.status}); try again in a moment"
    if isinstance(problem, Unauthenticated):
        return Failed(sentence, NOT_SIGNED_IN)
    if isinstance(problem, Unavailable):
        if _is_untrusted(problem):
            sentence += ": its certificate is not trusted (SSL_CERT_FILE names other authorities)"
        return Failed(sentence, UNREACHABLE)
    if isinstance(problem, TooManyRequests) and problem.retry_after_s is not None:
        return Failed(f"{sentence}; try again in {problem.retry_after_s:.0f} s")
    return Failed(sentence)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
