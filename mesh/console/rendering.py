"""Templates to text. Everything is escaped."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mesh.console.assets import ASSETS
from mesh.console.topology import drawing


def query(base: str, **parameters: object) -> str:
    """An address with those parameters that are set."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", False)}
    return f"{base}?{urlencode(given)}" if given else base


def duration(nanoseconds: int) -> str:
    """A time as people read it: `850 µs`, `12.3 ms`, `1.25 s`."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:.3g} ms"
    return f"{nanoseconds / 1_000_000_000:.3g} s"


def coded(sentence: str) -> Markup:
    """A sentence whose commands stand between backticks."""
    parts = sentence.split("`")
    marked = [
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def moment(nanoseconds: int) -> Markup:
    """A time since 1970, by the second."""
    at = dt.datetime.fromtimestamp(nanoseconds / 1_000_000_000, dt.UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="milliseconds"), at.strftime("%d %b, %H:%M:%S")
    )


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("mesh.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "coded": coded,
        "duration": duration,
        "moment": moment,
        "px": lambda value: f"{value:.1f}".removesuffix(".0"),
    }
    made.globals |= {"asset": ASSETS.address, "query": query, "drawing": drawing}
    return made


ENVIRONMENT = _environment()


def render(template: str, **values: object) -> str:
    return ENVIRONMENT.get_template(template).render(values)
