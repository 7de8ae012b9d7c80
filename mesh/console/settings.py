"""What the console is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PORT = 7070
# The namespace of the tools that the pages read from and link to.
TOOLS = "observability"
JAEGER, JAEGER_PORT = "jaeger", "16686"
PROMETHEUS, PROMETHEUS_PORT = "prometheus", "9090"


@dataclass(frozen=True)
class Settings:
    """`state` is the folder of the mesh to show; `checkout` the one that files are named from."""

    state: Path
    host: str
    port: int = PORT
    checkout: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def near(self, file: str) -> str:
        """A file's name as a person in the checkout would write it."""
        if self.checkout is None or not file.startswith("/"):
            return file
        try:
            return str(Path(file).relative_to(self.checkout))
        except ValueError:
            return file
