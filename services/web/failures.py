"""Problems of the services as sentences for people."""

from __future__ import annotations

from services.kit.errors import Conflict, Problem, TooManyRequests, Unavailable

# By status: a title, and a sentence where the problem's own words are meant for programs.
_SAID: dict[int, tuple[str, str]] = {
    400: ("That was not understood", ""),
    403: ("That is not allowed", ""),
    404: ("Nothing is here", "The page does not exist, or it is not yours to see."),
    405: ("That cannot be done here", "The page does not take this kind of request."),
    409: ("That did not fit", ""),
    412: ("Somebody was faster", "It was changed since you opened it. Open it again and repeat your change."),
    413: ("That is too large", ""),
    415: ("That was not understood", "The page takes forms only."),
    422: ("That cannot be saved as it is", ""),
    429: ("Too many attempts", "Wait a little, then try again."),
    500: ("Something broke", "It is our fault, and it was written down. Try again, or tell us the trace id."),
    502: ("Something broke", "A part of Delinkcious gave an answer that makes no sense."),
    503: (
        "Back in a moment",
        "This part of Delinkcious is away. Nothing is lost; try again soon.",
    ),
    504: ("This took too long", "A part of Delinkcious did not answer in time. Try again soon."),
}

# Problems of sign-ins with an identity provider, by type.
_ELSEWHERE = {
    "provider-unavailable": "The identity provider does not answer at the moment. Try again soon, or sign in"
    " with your password.",
    "provider-fault": "The identity provider gave an answer that makes no sense. Try again soon, or sign in"
    " with your password.",
    "identity-refused": "The identity provider did not confirm who you are. Try again.",
    "sign-in-declined": "The sign-in was cancelled, or the identity provider declined it.",
    "sign-in-not-begun": "This sign-in has expired, was used already, or was not begun in this browser. Begin"
    " again.",
    "invalid-ticket": "This took too long, or it was done already. Sign in with the identity provider again.",
    "identity-taken": "This identity signs in to another account. Unlink it there first.",
    "last-sign-in": "Without this identity you could not sign in any more. Set a password first.",
    "fresh-sign-in-required": "To show that it is you, sign in again with an identity provider that is linked"
    " to your account; then try once more within ten minutes.",
}

# Reasons that the links service gives for an address.
_REASONS = {
    "missing-url": "Enter the address of the page.",
    "relative-url": "The address must begin with http:// or https://.",
    "unsupported-scheme": "Only http, https and ftp addresses can be saved.",
    "invalid-url": "This is not an address that a browser could open.",
}
_FIELDS = {
    "url": "The address",
    "title": "The title",
    "note": "The note",
    "tags": "The list of tags",
    "to": "The new name",
    "into": "The new name",
    "username": "The username",
    "password": "The password",
    "new_password": "The new password",
    "email": "The e-mail address",
}


def explain(error: Problem) -> tuple[str, str]:
    """A title and a sentence."""
    title, sentence = _SAID.get(error.status, _SAID[500])
    return title, sentence or _sentence(error.detail)


def said(error: Problem) -> str:
    """What is wrong with what was sent, as one sentence beside the form."""
    if error.type in _ELSEWHERE:
        return _ELSEWHERE[error.type]
    reason = str(error.members.get("reason", ""))
    if reason in _REASONS:
        return _REASONS[reason]
    pointer = str(error.members.get("pointer", "")).strip("/")
    if reason:
        return f"{_FIELDS.get(pointer.partition('/')[0], 'A field')} is {reason}."
    if isinstance(error, TooManyRequests):
        return f"Too many attempts. Try again in {error.headers.get('retry-after', 'a few')} seconds."
    if isinstance(error, Unavailable):
        return _SAID[503][1]
    if isinstance(error, Conflict) and not error.detail:
        return _SAID[409][0] + "."
    return _sentence(error.detail) or explain(error)[1]


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""
