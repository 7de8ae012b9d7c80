"""The measure that the service's budgets are ratios to: a server that does a fixed amount of work a request.

A loop in the benchmark's own process would stay in the processor's caches, while what is measured is thrown
out of them by every process that runs in between; beside other load the two would not scale alike. So the
calibration is measured as a service is: a process of its own, asked over the same kind of connection by the
same client, as long and as often. Its work is of a service's kind: a socket on uvloop, tasks, headers and an
address to take apart, objects, JSON, a hash, all in many small functions of the standard library, since it is
much code run once, not a little code run often, that a request consists of. None of this project's or a
framework's code is in it, so that no change of either moves it. Whoever changes it has to write the budgets
anew.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import html
import ipaddress
import json
import re
import string
import sys
import textwrap
from email.parser import Parser
from email.utils import format_datetime
from fractions import Fraction
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import uvloop

ITEMS = 20
KEY = b"calibration"
ADDRESS = "https://example.org:8443/a/b/../c?limit=20&tag=bench&tag=mesh#end"
NOTE = "What a page is about, in a sentence or two that have to be wrapped, escaped and looked through. " * 2
_WORD = re.compile(r"\b(?P<first>\w)(?P<rest>\w*)\b")


class Calibration(asyncio.Protocol):
    """Answers whatever asks, without looking at it: a request is one segment here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no asyncio.Transport by descent.
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes) -> None:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
            body = work(data)
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def work(request: bytes) -> bytes:
    """The fixed work of one request; the same whatever is asked."""
    _, _, headers = request.decode("latin-1").partition("\r\n")
    told = Parser().parsestr(headers)
    address = urlsplit(urljoin(ADDRESS, "../d?" + urlencode(parse_qsl(urlsplit(ADDRESS).query))))
    seen = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=len(headers))
    share = Fraction(len(told.keys()) + 1, 7) + Fraction(3, 11)
    page = {
        "items": [
            {"id": number, "title": f"Page {number}", "tags": ["bench", str(number)]}
            for number in range(ITEMS)
        ],
        "host": address.hostname,
        "at": [format_datetime(seen), dt.datetime.fromisoformat(seen.isoformat()).isoformat()],
        "from": str(ipaddress.ip_network("127.64.0.0/10")[len(headers)]),
        "share": str(share.limit_denominator(100)),
        "note": textwrap.wrap(html.escape(_WORD.sub(r"\g<first>\g<rest>", NOTE)), 40),
        "text": string.Template("$name at $place").substitute(name=told["host"], place=address.path),
    }
    plain = json.dumps(page, indent=1).encode()
    page = json.loads(plain)
    page["digest"] = base64.b64encode(hmac.digest(KEY, hashlib.sha256(plain).digest(), "sha256")).decode()
    return json.dumps(page).encode()


async def serve() -> None:
    """Serve on a port that the system chooses, say which on stdout, until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Calibration, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
