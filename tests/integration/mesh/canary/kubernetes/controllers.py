"""Controllers as processes with the rights that the chart gives them."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import helm_python
import yaml

from delinkcious.chart import CHART
from mesh.local.runtime.process import ending_with_us
from tests.integration.kubernetes.cluster import Cluster, free_port

ACCOUNT = "delinkcious-canary"
_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


def kubeconfig(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """That of the chart's account, with the chart's Role."""
    with helm_python.Chart.load(str(CHART)) as chart:
        templates = chart.render({"canary": {"enabled": True}}, name="delinkcious", namespace=namespace)
    [text] = [text for name, text in templates.items() if name.endswith("/templates/canary.yaml")]
    for document in yaml.safe_load_all(text):
        if document and document["kind"] in _PATHS:
            cluster.post(_PATHS[document["kind"]].format(namespace), document)
    file = folder / "account.yaml"
    cluster.write_kubeconfig(file, cluster.token(namespace, ACCOUNT), namespace)
    return file


class Process:
    """One controller; it dies with this process. `itself`: the program as it is, that asks a Prometheus."""

    def __init__(
        self,
        account: Path,
        namespace: str,
        runs: Path,
        holder: str,
        *,
        errors: float = 0.001,
        host: str = "127.0.0.1",
        itself: bool = False,
    ) -> None:
        self.host, self.port = host, free_port()
        self.log = account.with_name(f"{holder}.log")
        options = {"--namespace": namespace, "--runs": runs, "--holder": holder, "--port": self.port}
        if itself:
            module, flags = "mesh.canary", ["--kubernetes"]
            options |= {"--listen": host, "--prometheus": f"http://127.0.0.1:{free_port()}"}
        else:
            module, flags = f"{__package__}.driving", []
            options |= {"--kubeconfig": account, "--host": host, "--errors": errors}
        arguments = [*flags, *(str(part) for option in options.items() for part in option)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ending_with_us(sys.executable, "-m", module, *arguments),
                stdout=log,
                stderr=log,
                env={**os.environ, "KUBECONFIG": str(account)},
            )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def drives(self) -> bool:
        return self.ask("/healthz/ready") is not None

    def ask(self, path: str) -> bytes | None:
        """What its pod would answer; None for anything but 200."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}{path}", timeout=5) as answer:
                found: bytes = answer.read()
                return found
        except OSError:
            return None

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self._process.terminate()
        return self._process.wait(30)


Start = Callable[..., Process]
