"""One installation on a real Kubernetes of this machine, for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from delinkcious.kubernetes import Commands, kubeconfig, missing
from delinkcious.tools import finding
from mesh.local.model import Json
from tests.e2e.installation import NAMESPACE, Installation, ended

UP_WITHIN_S = 600.0


class Cluster(Installation):
    """An installation whose pods a Kubernetes schedules; `kubectl` and `helm` command it."""

    def up(self, *options: str) -> str:
        command = [sys.executable, "-m", "delinkcious", "up", "--kubernetes", "--no-tools", *options]
        done = subprocess.run(
            [*command, "--state", str(self.state), "--timeout", "300"],
            cwd=self.checkout,
            capture_output=True,
            text=True,
            timeout=UP_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.log()[-4000:]}"
        return done.stdout

    @property
    def commands(self) -> Commands:
        return Commands(kubeconfig(self.state), self.checkout)

    def kubectl(self, *arguments: str) -> str:
        return self.commands.run("kubectl", *arguments)

    def get(self, *arguments: str) -> Json:
        found: Json = yaml.safe_load(self.kubectl("get", *arguments, "-n", NAMESPACE, "-o", "yaml"))
        return found

    def apply(self, *objects: Mapping[str, object]) -> str:
        file = self.folder / "applied.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        return self.kubectl("apply", "-n", NAMESPACE, "-f", str(file))

    def apply_and_warn(self, body: Mapping[str, object]) -> str:
        """What kubectl says beside its result."""
        file = self.folder / "applied.yaml"
        file.write_text(yaml.safe_dump(body))
        return self.commands.told("kubectl", "apply", "-n", NAMESPACE, "-f", str(file))[1]

    def edit(self, what: str, editor: str) -> None:
        """`kubectl edit`, with an editor that is no person."""
        program = finding.locate("kubectl")
        assert program is not None
        settings = [f"KUBECONFIG={kubeconfig(self.state)}", f"KUBE_EDITOR={editor}"]
        command = ["/usr/bin/env", *settings, program, "edit", what, "-n", NAMESPACE]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def pods_of(self, app: str) -> list[Json]:
        """The server's pods of a service that are not ending."""
        items = self.get("pods", "-l", f"app={app}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture(scope="session")
def cluster(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The chart installed by Helm, every pod ready."""
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} missing: delinkcious tools install --kubernetes")
    made = Cluster(repository, tmp_path_factory.mktemp("kubernetes"))
    with ended(made):
        made.up()
        yield made
