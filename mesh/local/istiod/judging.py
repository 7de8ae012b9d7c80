"""What is said against what somebody wrote, by the mesh, istiod and the API server, as findings (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mesh.local.check import Judged, validate
from mesh.local.check.insides import INSIDE, inside_findings
from mesh.local.check.mesh import Mesh
from mesh.local.istiod import kinds
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import duplicates

_WEBHOOK = re.compile(r'^admission webhook "[^"]*" denied the request: (?:configuration is invalid: )?')
_SEVERAL = re.compile(r"^\d+ errors? occurred:\s*")
_TYPED = re.compile(r"^failed to create typed patch object \([^)]*\): (?:errors:\s*)?")
_SCHEMA = re.compile(r'^\S+ "[^"]*" is invalid: ')
_PLACE = r"(?:spec|metadata|status)\b[^\s:]*"
_OF_FIELD = re.compile(rf"^\.?({_PLACE}): (.*)", re.DOTALL)
_NEXT = re.compile(rf", (?=(?:{_PLACE}|<nil>): [A-Z])")  # of the schema's, which stand in one line
_UNSAID = "<nil>: "  # that more may be wrong
_UNKNOWN = "field not declared in schema"
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]|\[[^\]]*\]")  # the last: an item by its key


def beforehand(resources: Sequence[Resource], judged: Judged) -> tuple[Config, list[Finding]]:
    """What is Istio's is istiod's to judge, when it is applied, but for what leads into a pod.

    The embedded control plane leaves such endpoints out; istiod would send requests there.
    """
    istio = [resource for resource in resources if kinds.is_istio(resource)]
    others = [resource for resource in resources if not kinds.is_istio(resource)]
    known, findings = validate(others, judged)
    config = Config([*known, *istio])
    others_say = [found for found in findings if found.id != INSIDE]
    insides = [replace(found, level="error") for found in inside_findings(Mesh(config))]
    return config, [*duplicates(istio), *others_say, *insides]


def refusals(resource: Resource, said: str) -> list[Finding]:
    """A finding for each mistake in one object, in the words of who refused it; at least one, by line."""
    found = [_finding(resource, one) for one in _apart(said.strip()) or [said]]
    return sorted(found, key=lambda one: one.line)


def _apart(said: str) -> list[str]:
    """The mistakes that one answer tells, each once."""
    if _TYPED.match(said):
        found = re.split(r"\n\s*(?=\.)", _TYPED.sub("", said))
    elif _SCHEMA.match(said):
        listed = _SCHEMA.sub("", said)
        whole = listed.startswith("[") and listed.endswith("]")
        found = _NEXT.split(listed[1:-1]) if whole else [listed]
    else:
        text = _WEBHOOK.sub("", said)
        found = re.split(r"\n\s*\* ", "\n" + _SEVERAL.sub("", text))[1:] if _SEVERAL.match(text) else [text]
    return list(
        dict.fromkeys(text for one in found if (text := one.strip()) and not text.startswith(_UNSAID))
    )


def _finding(resource: Resource, said: str) -> Finding:
    found = _OF_FIELD.match(said)
    field, message = (found[1], found[2]) if found else ("", said)
    if message == _UNKNOWN:
        message = f'unknown field "{field}"'
    line = resource.source.line_of(steps(field)) if field else resource.source.line
    return Finding("error", resource.source.file, line, resource.kind, resource.name, field, message)


def steps(field: str) -> list[str | int]:
    """`spec.http[0].route` as a path, as far as its lists are counted."""
    found: list[str | int] = []
    for name, number in _STEP.findall(field):
        if not (name or number):
            break
        found.append(int(number) if number else name)
    return found
