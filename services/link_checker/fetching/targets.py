"""An address read strictly, once: what is judged here is what is connected to, and nothing is read again.

Attacks on such readers live from two programs that understand one text differently. So whatever has more
than one reading is refused: user names, backslashes, blanks, percent signs in the host, numbers that only
some programs take for an IPv4 address.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin

import idna

from services.link_checker.fetching.addresses import Address
from services.link_checker.fetching.errors import Refused

MAX_URL_BYTES = 8_192
MAX_HOST = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

# Names that lead to machines of the neighbourhood, if anywhere (RFC 6761, 6762, 8375, 9476; ICANN's list of
# names that collide, and `.internal`, which it has set aside for private use).
LOCAL_SUFFIXES = frozenset(
    ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa")
)

# Without re.ASCII a long s would be an s here.
_START = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE | re.ASCII)
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\ufeff\u2028\u2029]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What the WHATWG's standard calls a host that ends in a number: it is an IPv4 address or nothing.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    `host` is in ASCII and lower case without a last dot, an IPv6 address without brackets; `address` is set
    when it is an address and no name; `path` is the request target.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The address without its fragment."""
        return self.origin + self.path


def read(text: str) -> Target:
    """The target that an absolute http or https address names; raises Refused."""
    if len(text) > MAX_URL_BYTES or _AMBIGUOUS.search(text):
        raise Refused("malformed")
    start = _START.match(text)
    if start is None:
        raise Refused("scheme")
    scheme, authority = start[1].lower(), start[2]
    if "@" in authority:
        raise Refused("userinfo")
    if "%" in authority:
        raise Refused("host-form", "percent sign")
    host, address, digits = _bracketed(authority) if authority.startswith("[") else _named(authority)
    if digits and not (_PORT.fullmatch(digits) and 0 < int(digits) <= 65_535):
        raise Refused("port-form")
    port = int(digits) if digits else DEFAULT_PORTS[scheme]
    return Target(scheme, host, port, _path(text[start.end() :]), address)


def join(base: Target, location: str) -> Target:
    """Where a redirect leads; raises Refused."""
    try:
        joined = urljoin(base.url, location.strip().replace(" ", "%20"))
    except ValueError as error:
        raise Refused("malformed", "redirect") from error
    return read(joined)


def _path(rest: str) -> str:
    rest = rest.partition("#")[0]
    try:
        path = quote(rest, safe=_KEPT)
    except UnicodeEncodeError as error:
        raise Refused("malformed", "lone surrogate") from error
    if len(path) > MAX_URL_BYTES:
        raise Refused("malformed", "too long")
    return path if path.startswith("/") else "/" + path


def _bracketed(authority: str) -> tuple[str, Address, str]:
    inner, bracket, after = authority[1:].partition("]")
    if not bracket or (after and not after.startswith(":")):
        raise Refused("host-form", "brackets")
    try:
        address = ipaddress.IPv6Address(inner)
    except ValueError as error:
        raise Refused("host-form", "no IPv6 address") from error
    return str(address), address, after[1:]


def _named(authority: str) -> tuple[str, Address | None, str]:
    name, _, digits = authority.partition(":")
    host = _ascii(name)
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise Refused("host-form")
    if _NUMBER.fullmatch(labels[-1]):
        return host, _quad(name), digits
    if len(labels) == 1 or labels[-1] in LOCAL_SUFFIXES:
        raise Refused("local-name")
    return ".".join(labels), None, digits


def _quad(name: str) -> Address:
    """An IPv4 address in its one form; no octal, hexadecimal, short or Unicode digits, no last dot."""
    try:
        return ipaddress.IPv4Address(name)
    except ValueError as error:
        raise Refused("host-form", "no IPv4 address") from error


def _ascii(name: str) -> str:
    """IDNA 2008 without the mapping that would make digits of other scripts into ours."""
    lowered = name.lower()
    if lowered.isascii() or len(lowered) > MAX_HOST:
        return lowered
    try:
        return idna.encode(lowered).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise Refused("host-form", "no internationalised name") from error
