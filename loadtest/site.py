"""What locust's users of one process share: accounts, chance, counts, and how they connect."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook

from loadtest import accounts, world
from loadtest.accounts import NotLetIn, dice_of
from loadtest.exchange import Answer, Request
from loadtest.mix import load_mix
from loadtest.tally import Recorder
from loadtest.tracing import Tracing
from loadtest.world import World

T = TypeVar("T")

TIMEOUT_S = 10.0
LOOK_EVERY_S = 5.0
# How a pool makes a socket: the library names no other way to bind it.
CREATE = "_create_tcp_socket"


class FromAddress(HTTPClientPool):
    """Connections that come from one address of this machine."""

    def __init__(self, source: str, **options: Any) -> None:
        super().__init__(**options)
        self._source = source

    def get_client(self, url: Any) -> HTTPClient:
        client = super().get_client(url)
        pool = client._connection_pool
        if self._source and CREATE not in vars(pool):
            setattr(pool, CREATE, self._bound(pool._create_tcp_socket))
        return client

    def _bound(self, create: Callable[[int, int, int], Any]) -> Callable[[int, int, int], Any]:
        def bound(family: int, kind: int, protocol: int) -> Any:
            made = create(family, kind, protocol)
            made.bind((self._source, 0))
            return made

        return bound


class Site:
    """What the users of this process share; set when locust has read its options."""

    def __init__(self, options: Any, workers: int, number: int) -> None:
        self.options = options
        self.mix = load_mix(Path(options.mix))
        self.dice = dice_of(options.seed, number)
        self.kinds = self.mix.users()
        self.recorder = Recorder()
        self.tracing = Tracing(options.traced)
        self.trust = ssl.create_default_context(cafile=options.ca or None)
        self.client = self.session(options.host)
        count = max(1, -(-options.accounts // workers))
        self.around = World(
            [self.through(accounts.enter(world.bookmark_file(self.dice))) for _ in range(count)]
        )

    def session(self, host: str) -> FastHttpSession:
        """One that is counted by nobody, for signing in."""
        hook = EventHook()  # type: ignore[no-untyped-call]
        return FastHttpSession(
            host, hook, None, client_pool=self.pool(accounts.ENTER_TIMEOUT_S), insecure=False
        )

    def pool(self, timeout_s: float = TIMEOUT_S) -> HTTPClientPool:
        return FromAddress(
            self.options.source,
            ssl_context_factory=lambda: self.trust,
            network_timeout=timeout_s,
            connection_timeout=timeout_s,
        )

    def through(self, exchanges: Generator[Request, Answer, T]) -> T:
        """What comes of a few exchanges outside of the count."""
        answer = None
        try:
            while True:
                request = next(exchanges) if answer is None else exchanges.send(answer)
                answer, _ = exchange(self.client, request, {})
        except StopIteration as stop:
            found: T = stop.value
            return found

    def keep_signed_in(self) -> None:
        while True:
            for who in self.around.accounts:
                if who.is_due(time.time()):
                    try:
                        self.through(accounts.renew(who))
                    except NotLetIn:
                        continue  # the old token is still good: it is tried again
            gevent.sleep(LOOK_EVERY_S)


def exchange(client: FastHttpSession, request: Request, headers: dict[str, str]) -> tuple[Answer, str]:
    """The answer, and its outcome as it is counted."""
    answered = client.request(
        request.method,
        request.path,
        name=request.name,
        data=request.body,
        headers={**request.headers, **headers},
        allow_redirects=False,
    )
    if answered.status_code:
        return Answer(answered.status_code, answered.content or b""), str(answered.status_code)
    error = getattr(answered, "error", None)
    return Answer(0), "timeout" if isinstance(error, TimeoutError) else "disconnected"
