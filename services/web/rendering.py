"""Templates to text. Everything is escaped unless a template says otherwise; none does for users' texts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from email.utils import format_datetime
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.link_checker.client import snapshot
from services.web.assets import ASSETS

# What a link on a page may lead to; everything else (javascript:, data:) is shown as text.
LINKED_SCHEMES = ("http", "https", "ftp")
# The first mark that is there counts: Edge says that it is Chrome, and Chrome that it is Safari.
_PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-httpx/", "The delinkcious command"),
)
_CODE = re.compile(r"`([^`]+)`")
# As the link checker tells them.
_REASONS = {
    "not-found": "page not found",
    "gone": "gone for good",
    "server-error": "its server is broken",
    "no-public-address": "no such server",
    "connection-failed": "its server cannot be reached",
    "tls-error": "its certificate is not valid",
    "timeout": "its server does not answer",
    "bad-answer": "its server answers nonsense",
}
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def href(url: str) -> str | None:
    """The address if a page may link to it."""
    scheme, colon, _ = url.partition(":")
    return url if colon and scheme.lower() in LINKED_SCHEMES else None


def host(url: str) -> str:
    """The host to show beside a title."""
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.")


def when(moment: dt.datetime) -> Markup:
    """A time for people, its exact form for machines and for who hovers."""
    now = dt.datetime.now(dt.UTC)
    exact = moment.astimezone(dt.UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="seconds"), exact.strftime("%d %B %Y, %H:%M UTC"), _ago(now - exact, exact)
    )


def _ago(passed: dt.timedelta, exact: dt.datetime) -> str:
    seconds = passed.total_seconds()
    if seconds < 0 or seconds >= 7 * 86_400:
        return f"{exact.day} {exact.strftime('%B %Y')}"
    if seconds < 45:
        return "just now"
    if seconds < 3_600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86_400:
        return f"{round(seconds / 3_600)} h ago"
    days = int(seconds // 86_400)
    return "yesterday" if days == 1 else f"{days} days ago"


def marked(text: str, ranges: Sequence[tuple[int, int]]) -> Markup:
    """A text with the places that a search has found."""
    pieces, at = [], 0
    for start, end in ranges:
        pieces += [escape(text[at:start]), Markup("<mark>{}</mark>").format(text[start:end])]
        at = end
    return Markup("").join([*pieces, escape(text[at:])])


def coded(text: str) -> Markup:
    """A text in which some words stand between backticks: those as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped above


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 link`, `1,234 links`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def query(base: str, **parameters: object) -> str:
    """An address with those parameters that are set."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", False, [], ())}
    return f"{base}?{urlencode(given, doseq=True)}" if given else base


def browser(user_agent: str) -> str:
    """What a User-Agent header stands for, as far as people care."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), "Another program")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{program} on {system}" if system else program


def reason(slug: str | None) -> str:
    """Why a link is taken for dead."""
    return _REASONS.get(slug or "", "dead")


def as_html(text: str) -> str:
    """A text as the HTML that shows it, itself still to be escaped: what an RSS description holds."""
    return str(escape(text)).replace("\n", "<br>")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("services.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "as_html": as_html,
        "browser": browser,
        "coded": coded,
        "count": count,
        "host": host,
        "href": href,
        "marked": marked,
        "reason": reason,
        "rfc822": format_datetime,
        "path": lambda text: quote(text, safe=""),
        "when": when,
        "snapshot": snapshot,
    }
    made.globals |= {"asset": ASSETS.address, "query": query}
    return made


ENVIRONMENT = _environment()


def render(template: str, **values: object) -> str:
    """A template's text."""
    return ENVIRONMENT.get_template(template).render(values)
