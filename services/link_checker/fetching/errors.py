"""Why a fetch ended without an answer.

FetchError
 +- Refused            a rule of ours, before anything left
 |   +- RefusedAddress the name leads, or leads too, where nobody may be sent
 +- NameNotFound       DNS says that there is no such name
 +- NameUnclear        DNS did not say
 +- ConnectFailed      nobody takes the connection
 +- TlsFailed          the certificate or the handshake is wrong
 +- TimedOut           too slow, in whichever step
 +- BadAnswer          not HTTP, too many headers, a bomb
 +- TooManyRedirects
 +- Disallowed         the site's robots.txt asks checkers to stay away
 +- Busy               our own manners: others of us are at this host
"""

from __future__ import annotations


class FetchError(Exception):
    """No answer; the text says why, for the log."""


class Refused(FetchError):
    """Nothing was sent; `rule` is the short name of what was broken."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


class RefusedAddress(Refused):
    """A name with an address that is not public."""


class NameNotFound(FetchError):
    pass


class NameUnclear(FetchError):
    pass


class ConnectFailed(FetchError):
    pass


class TlsFailed(FetchError):
    pass


class TimedOut(FetchError):
    pass


class BadAnswer(FetchError):
    pass


class TooManyRedirects(FetchError):
    pass


class Disallowed(FetchError):
    pass


class Busy(FetchError):
    """`retry_after_s`: when to come back, where that is known."""

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
