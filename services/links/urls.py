"""The one form of an address: what `save`, the importer and every filter by URL agree on.

Scheme and host in lower case, the scheme's default port dropped, an empty path made `/`. Nothing else
changes: path, query, percent escapes and fragment stay as they were written. A host stays in the script
its user wrote (`bücher.example`); `host_of` gives the form in which hosts are compared.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}

_REMOVED = dict.fromkeys(map(ord, "\t\r\n\0"))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# A browser ends the host at a backslash too; to think otherwise than it does is how hosts get confused.
_AUTHORITY = re.compile(r"//([^/?#\\]*)")
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f<>\"`{}|^\[\]:]")

TRACKING_PREFIXES = ("utm_", "hsa_", "mtm_", "pk_", "piwik_")
TRACKING_NAMES = frozenset(
    """_branch_match_id _ga _gl _hsenc _hsmi _kx _openstat dclid epik fb_action_ids fb_action_types fb_ref
    fb_source fbclid gad_source gbraid gclid gclsrc hsctatracking igsh igshid li_fat_id mc_cid mc_eid
    mkt_tok ml_subscriber ml_subscriber_hash msclkid oly_anon_id oly_enc_id rb_clickid s_cid sc_cid srsltid
    ttclid twclid vero_conv vero_id wbraid wickedid yclid ysclid""".split()  # noqa: SIM905 - forty lines otherwise
)


class InvalidUrl(ValueError):
    """An address that cannot be a bookmark.

    `reason` is one of `missing-url`, `relative-url`, `unsupported-scheme`, `invalid-url`; `url` is the
    address as it was understood (trimmed).
    """

    def __init__(self, reason: str, url: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.url = url


class _Address(NamedTuple):
    scheme: str
    userinfo: str
    host: str
    port: str
    rest: str


def normalise_url(text: str) -> str:
    """The address in its one form; raises InvalidUrl."""
    address = _parse(_trimmed(text))
    return f"{address.scheme}://{address.userinfo}{address.host}{address.port}{address.rest}"


def host_of(url: str) -> str:
    """The host of an address in its one form, as hosts are compared: lower case, IDNA labels, no port."""
    return ascii_host(_parse(url).host)


def ascii_host(host: str) -> str:
    """A host name with each label outside ASCII in its `xn--` form, in lower case, without a last dot."""
    labels = host.lower().removesuffix(".").split(".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels
    )


def without_tracking(url: str) -> str:
    """The address without the query parameters that only tell where the reader came from."""
    before, hash_mark, fragment = url.partition("#")
    path, question_mark, query = before.partition("?")
    if not question_mark:
        return url
    kept = [part for part in query.split("&") if not _is_tracking(part.partition("=")[0].lower())]
    if kept and any(kept):
        path += "?" + "&".join(kept)
    elif not query:
        path += "?"
    return path + hash_mark + fragment


def _is_tracking(name: str) -> bool:
    return name in TRACKING_NAMES or name.startswith(TRACKING_PREFIXES)


def _trimmed(text: str) -> str:
    return text.translate(_REMOVED).strip(" ")


def _parse(url: str) -> _Address:
    if not url:
        raise InvalidUrl("missing-url", url)
    scheme_match = _SCHEME.match(url)
    if scheme_match is None:
        raise InvalidUrl("relative-url", url)
    scheme = scheme_match[1].lower()
    if scheme not in DEFAULT_PORTS:
        raise InvalidUrl("unsupported-scheme", url)
    authority_match = _AUTHORITY.match(url, scheme_match.end())
    if authority_match is None:
        raise InvalidUrl("invalid-url", url)
    before, at, host_and_port = authority_match[1].rpartition("@")
    host, port = _host_and_port(host_and_port, scheme, url)
    rest = url[authority_match.end() :]
    if not rest or rest[0] in "?#":
        rest = "/" + rest
    return _Address(scheme, before + at, host, port, rest)


def _host_and_port(text: str, scheme: str, url: str) -> tuple[str, str]:
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        if not bracket or not _is_ipv6(name) or (port and not port.startswith(":")):
            raise InvalidUrl("invalid-url", url)
        host, digits = f"[{name.lower()}]", port[1:]
    else:
        name, _, digits = text.partition(":")
        host = name.lower()
        if not host or _NOT_IN_HOST.search(host):
            raise InvalidUrl("invalid-url", url)
    if not digits:
        return host, ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 65_535):
        raise InvalidUrl("invalid-url", url)
    return host, "" if int(digits) == DEFAULT_PORTS[scheme] else f":{digits}"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
