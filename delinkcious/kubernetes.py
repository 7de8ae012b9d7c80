"""This project on the local mesh as the node of a Kubernetes: its control plane, its chart installed by Helm.

Needs the extra `kubernetes` and the tools of `delinkcious tools install --kubernetes`.
"""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from delinkcious import environments, local
from delinkcious.tools import finding, istio
from delinkcious.tools.catalogue import CONTROL_PLANE, HELM, KUBECTL
from mesh.local.kubernetes.declared import Kubernetes
from mesh.local.kubernetes.plane import Plane, kubeconfig_file
from mesh.local.runtime import settings
from mesh.local.runtime.client import Client
from mesh.local.runtime.embedded import Embedded
from mesh.local.runtime.mesh import Mesh
from mesh.local.runtime.state import State

FOLDER = "kubernetes"  # below the state folder
RELEASE = NAMESPACE = "delinkcious"
CHART = Path("helm") / "delinkcious"
INSTALLED_WITHIN_S = 300
ANSWERS_WITHIN_S = 60.0
POLL_S = 0.1

Report = Callable[[str], None]


class NotInstalled(LookupError):
    """A program is missing, or said no; the text says which and what."""


def make_mesh(checkout: Path, folder: Path, report: Report) -> Mesh:
    """The stores of this project beside a control plane. Raises LookupError when a program is missing."""
    plane = Plane(folder / FOLDER, {tool.name: _program(tool.name) for tool in CONTROL_PLANE})
    definitions = [istio.definitions(report), *sorted((checkout / CHART / "crds").glob("*.yaml"))]
    declared = Kubernetes(plane, State(folder).pods, definitions, report)
    return local.mesh_of(checkout, folder, declared, plane.specs, report, Embedded())


def kubeconfig(explicit: Path | None = None) -> Path:
    """That of the running control plane. Raises LookupError."""
    file = kubeconfig_file(local.state(explicit).folder / FOLDER)
    if not file.exists():
        raise LookupError(f"{file} is not there yet: delinkcious up --kubernetes makes it")
    return file


def install(checkout: Path, folder: Path, report: Report) -> None:
    """The mesh's policy and the chart, once: later changes are people's. Raises LookupError."""
    commands = Commands(kubeconfig_file(folder / FOLDER), checkout)
    if _is_installed(commands):
        return
    report("creating the splits of traffic, applying the mesh's policy")
    if not commands.succeeds("kubectl", "get", "virtualservice/links", "-n", NAMESPACE):
        commands.run("kubectl", "create", "--save-config", "-f", str(environments.SPLITS))
    commands.run("kubectl", "apply", "-f", str(local.POLICY))
    report("installing the chart, until every pod is ready")
    commands.run(
        "helm",
        "upgrade",
        RELEASE,
        str(CHART),
        "--install",
        f"--namespace={NAMESPACE}",
        f"--values={CHART / 'values-local.yaml'}",
        *_smoke(commands),
        "--take-ownership",  # of the namespaces, which hold Secrets already
        "--wait",
        f"--timeout={INSTALLED_WITHIN_S}s",
    )


def _smoke(commands: Commands) -> list[str]:
    """What `helm test` asks, and whom it trusts there: as background traffic does."""
    where = ("get", "secret", local.BACKGROUND, "-n", NAMESPACE, "-o", "jsonpath={.data.host}")
    server = base64.b64decode(commands.run("kubectl", *where)).decode()
    values = {"smoke.enabled": "true", "smoke.server": server, "smoke.caSecret": local.BACKGROUND}
    return [f"--set={name}={value}" for name, value in values.items()]


def _is_installed(commands: Commands) -> bool:
    """Whether all of a release came up once; a half one is installed again."""
    return commands.succeeds("helm", "status", RELEASE, "-n", NAMESPACE) and '"deployed"' in commands.run(
        "helm", "status", RELEASE, "-n", NAMESPACE, "-o", "json"
    )


def settle(folder: State, within_s: float) -> None:
    """Wait until every pod is ready, for so long at most: one that crashes is no reason to fail."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        pods = Client(folder).get("/get/pods")
        if all(pod["ready"] for pod in pods if pod["phase"] not in ("Succeeded", "Failed")):
            return
        time.sleep(POLL_S)


class Commands:
    """kubectl and helm, with a kubeconfig, in a folder."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._config, self._folder = config, folder

    def run(self, name: str, *arguments: str) -> str:
        """What it prints. Raises NotInstalled with what it says of its failure."""
        return self.told(name, *arguments)[0]

    def told(self, name: str, *arguments: str) -> tuple[str, str]:
        """What it prints, and what it says beside that. Raises as `run`."""
        done = self._done(name, arguments, INSTALLED_WITHIN_S + ANSWERS_WITHIN_S)
        if done.returncode != 0:
            raise NotInstalled(f"{name} {' '.join(arguments)}:\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout, done.stderr

    def succeeds(self, name: str, *arguments: str) -> bool:
        return self._done(name, arguments, ANSWERS_WITHIN_S).returncode == 0

    def _done(self, name: str, arguments: Sequence[str], within_s: float) -> subprocess.CompletedProcess[str]:
        environment = {**settings.inherited(), "KUBECONFIG": str(self._config)}
        try:
            return subprocess.run(
                [_program(name), *arguments],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=within_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NotInstalled(f"{name} {' '.join(arguments)} has not ended within {within_s:g} s") from error


def missing() -> list[str]:
    """The programs that are still to be brought."""
    return [tool.name for tool in (*CONTROL_PLANE, KUBECTL, HELM) if finding.find(tool) is None]


def _program(name: str) -> str:
    path = finding.locate(name)
    if path is None:
        raise NotInstalled(
            f"{name} is missing: delinkcious tools install --kubernetes brings it, in minutes, once"
        )
    return path
