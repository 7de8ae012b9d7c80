"""What is said against what somebody wrote, by the mesh, istiod and the API server, as findings (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mesh.local.check import Judged, validate
from mesh.local.check.insides import inside_entries
from mesh.local.check.mesh import Mesh
from mesh.local.istiod import kinds
from mesh.local.model import Config, Finding, Resource
from mesh.local.resources import duplicates

_WEBHOOK = re.compile(r'^admission webhook "[^"]*" denied the request: (?:configuration is invalid: )?')
_UNKNOWN = re.compile(r"\.(\S+): field not declared in schema")
_TYPED = re.compile(r"^failed to create typed patch object \([^)]*\): (?:errors:\s*)?")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def beforehand(resources: Sequence[Resource], judged: Judged) -> tuple[Config, list[Finding]]:
    """What is Istio's is istiod's to judge, when it is applied, but for what leads into a pod."""
    istio = [resource for resource in resources if kinds.is_istio(resource)]
    others = [resource for resource in resources if not kinds.is_istio(resource)]
    known, findings = validate(others, judged)
    config = Config([*known, *istio])
    return config, [*duplicates(istio), *findings, *inside_entries(Mesh(config))]


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
