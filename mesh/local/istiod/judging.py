"""What istiod and the API server say against what somebody wrote, as findings (pure)."""

from __future__ import annotations

import re

from mesh.local.model import Finding, Resource

_WEBHOOK = re.compile(r'^admission webhook "[^"]*" denied the request: (?:configuration is invalid: )?')
_UNKNOWN = re.compile(r"\.(\S+): field not declared in schema")
_TYPED = re.compile(r"^failed to create typed patch object \([^)]*\): (?:errors:\s*)?")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def refusal(resource: Resource, said: str) -> Finding:
    """The finding of one object, in the words of who refused it."""
    message = _WEBHOOK.sub("", said).strip()
    found = _UNKNOWN.search(message)
    field = found[1] if found else ""
    message = f'unknown field "{field}"' if found else _TYPED.sub("", message)
    line = resource.source.line_of(steps(field)) if field else resource.source.line
    return Finding("error", resource.source.file, line, resource.kind, resource.name, field, message)


def steps(field: str) -> list[str | int]:
    """`spec.http[0].route` as a path."""
    return [int(number) if number else name for name, number in _STEP.findall(field)]
