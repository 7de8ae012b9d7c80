"""Which tools there are, which versions will do, and where they can come from (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GO_MODULES = ROOT / "tools"

Version = tuple[int, ...]
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Tool:
    """One program. `asks` makes it say its version, of which `says` finds the text; "" says none.

    `module` is its Go module below `tools/`, whose lock names the version that is built; `package` is the
    main package in it; `stamp` is the linker's variable that takes the version; `debian` is the system's
    package that has it, too.
    """

    name: str
    what: str
    asks: tuple[str, ...]
    says: str
    oldest: Version
    module: str
    package: str
    requirement: str
    stamp: str = ""
    debian: str = ""

    def version(self, printed: str) -> str | None:
        """The version in what the program printed; None when that is another program's output."""
        found = re.search(self.says, printed)
        return None if found is None else found[1].removeprefix("v")

    def will_do(self, version: str) -> bool:
        """Whether a version is recent enough; a build without one has none to be judged by."""
        return not version or numbers(version) >= self.oldest


def numbers(version: str) -> Version:
    found = _NUMBERS.match(version)
    return tuple(int(part) for part in found.groups(default="0")) if found else ()


JAEGER = Tool(
    name="jaeger",
    what="traces",
    asks=("version",),
    says=r'"gitVersion":\s*"([^"]*)"',
    # The Go module counts 1.x where the program is called 2.x: v1.76.0 is Jaeger 2.13.
    oldest=(1, 70, 0),
    module="jaeger",
    package="github.com/jaegertracing/jaeger/cmd/jaeger",
    requirement="github.com/jaegertracing/jaeger",
    stamp="github.com/jaegertracing/jaeger/internal/version.latestVersion",
)
PROMETHEUS = Tool(
    name="prometheus",
    what="metrics and alerts",
    asks=("--version",),
    says=r"prometheus, version (\S*)",
    oldest=(2, 42, 0),  # Debian 12 has it
    module="prometheus",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    requirement="github.com/prometheus/prometheus",
    stamp="github.com/prometheus/common/version.Version",
    debian="prometheus",
)
PROMTOOL = Tool(
    name="promtool",
    what="tests of rules",
    asks=("--version",),
    says=r"promtool, version (\S*)",
    oldest=(2, 42, 0),
    module="prometheus",
    package="github.com/prometheus/prometheus/cmd/promtool",
    requirement="github.com/prometheus/prometheus",
    stamp="github.com/prometheus/common/version.Version",
    debian="prometheus",
)
# The control plane that makes the local mesh a node of a Kubernetes, and what people command it with.
_KUBERNETES_VERSION = "k8s.io/component-base/version.gitVersion"


def _of_kubernetes(name: str, asks: tuple[str, ...], says: str, oldest: Version) -> Tool:
    return Tool(
        name=name,
        what="Kubernetes",
        asks=asks,
        says=says,
        oldest=oldest,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        requirement="k8s.io/kubernetes",
        stamp=_KUBERNETES_VERSION,
    )


_SERVER = (("--version",), r"Kubernetes (v\S*)", (1, 34, 0))
KUBE_APISERVER = _of_kubernetes("kube-apiserver", *_SERVER)
KUBE_CONTROLLER_MANAGER = _of_kubernetes("kube-controller-manager", *_SERVER)
KUBE_SCHEDULER = _of_kubernetes("kube-scheduler", *_SERVER)
KUBECTL = _of_kubernetes("kubectl", ("version", "--client"), r"Client Version: (v\S*)", (1, 29, 0))
ETCD = Tool(
    name="etcd",
    what="Kubernetes",
    asks=("--version",),
    says=r"etcd Version: (\S*)",
    oldest=(3, 6, 0),
    module="etcd",
    package="go.etcd.io/etcd/server/v3",
    requirement="go.etcd.io/etcd/server/v3",
)
HELM = Tool(
    name="helm",
    what="Kubernetes",
    asks=("version", "--template", "{{.Version}}"),
    says=r"^(v\d\S*)",
    oldest=(3, 14, 0),
    module="helm",
    package="helm.sh/helm/v4/cmd/helm",
    requirement="helm.sh/helm/v4",
    stamp="helm.sh/helm/v4/internal/version.version",
)
# Istio's own control plane, fed from an API server: the other one that the local mesh can run under.
ISTIOD = Tool(
    name="pilot-discovery",
    what="istiod",
    asks=("version",),
    says=r'Version:"([^"]*)"',
    oldest=(0, 0, 0),  # Go's module counts no versions; a release of Istio will do as well
    module="istiod",
    package="istio.io/istio/pilot/cmd/pilot-discovery",
    requirement="istio.io/istio",
    stamp="istio.io/istio/pkg/version.buildVersion",
)
TOOLS = {tool.name: tool for tool in (JAEGER, PROMETHEUS, PROMTOOL)}
CONTROL_PLANE = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER)
FOR_KUBERNETES = {tool.name: tool for tool in (*CONTROL_PLANE, KUBECTL, HELM)}
FOR_ISTIOD = {tool.name: tool for tool in (ETCD, KUBE_APISERVER, ISTIOD)}
ALL = TOOLS | FOR_KUBERNETES | FOR_ISTIOD


def pinned(tool: Tool, modules: Path = GO_MODULES) -> str:
    """The version that its go.mod requires, such as `v1.76.0`."""
    return required(tool.module, tool.requirement, modules)


def required(module: str, requirement: str, modules: Path = GO_MODULES) -> str:
    """The version of a module that the go.mod of `tools/MODULE` requires."""
    text = (modules / module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(requirement)}\s+(\S+)", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"tools/{module}/go.mod does not require {requirement}")
    return found[1]
