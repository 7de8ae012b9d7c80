"""Where a schema writes what it finds in one resource."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.local.model import Finding, Resource
from mesh.local.resources import field_name, finding

Path = tuple[str | int, ...]


@dataclass
class Report:
    """Everything found in one resource.

    `misshapen` counts the values of a wrong type; `origin` is whose language the resource is written in.
    """

    resource: Resource
    findings: list[Finding] = field(default_factory=list)
    misshapen: int = 0
    origin: str = ""

    def __post_init__(self) -> None:
        if not self.origin:
            group = self.resource.api_version.partition("/")[0]
            istio = group.endswith("istio.io") or group == "gateway.networking.k8s.io"
            self.origin = "Istio" if istio else "Kubernetes"


class At:
    """A place in a resource: what a check says, it says about this place."""

    __slots__ = ("path", "report")

    def __init__(self, report: Report, path: Path = ()) -> None:
        self.report = report
        self.path = path

    def __truediv__(self, step: str | int) -> At:
        return At(self.report, (*self.path, step))

    @property
    def resource(self) -> Resource:
        return self.report.resource

    def error(self, message: str, id: str = "IST0106") -> None:
        self.report.findings.append(finding(self.resource, self.path, message, id=id))

    def warning(self, message: str, id: str = "IST0133") -> None:
        self.report.findings.append(finding(self.resource, self.path, message, warning=True, id=id))

    def misshapen(self, message: str) -> None:
        """The value has a wrong type, so that no rule may read it."""
        self.report.misshapen += 1
        self.error(message)

    def unsupported(self, what: str = "") -> None:
        """The value is right, and the local mesh does not do what it asks for."""
        place = f"{self.resource} {field_name(self.path)}".strip()
        reason = f" ({what})" if what else ""
        self.error(f"valid {self.report.origin}, not supported on the laptop: {place}{reason}", "DM0001")
