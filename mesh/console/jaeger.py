"""Whether a Jaeger has a page of its own."""

from __future__ import annotations

MAX_PAGE_BYTES = 65_536
# What the page of an official Jaeger has. One that Go built from its module says in its place, among other
# things with "jaeger-ui" in them, that it is none.
_UI = b'id="jaeger-ui-root"'


def is_page(content: bytes) -> bool:
    """Whether this is a page of Jaeger's, not what stands in for one."""
    return _UI in content
