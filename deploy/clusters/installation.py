"""What goes into a cluster, in order. Each step finds what an earlier run left, and repairs it."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.clusters.cluster import Cluster
from deploy.clusters.programs import DOCKER, HELM, KUBECTL, ask, require, require_docker, run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "delinkcious"
VALUES = (CHART / "values-dev.yaml", Path(__file__).with_name("values.yaml"))
NAMESPACE = "delinkcious"
# Tried together; change it with the table of versions in docs/kubernetes.md.
ISTIO = "1.27.3"
ISTIO_CHARTS = "https://istio-release.storage.googleapis.com/charts"
ISTIO_NAMESPACE = "istio-system"
WAIT = "15m"
IMAGES = {"app": "delinkcious/delinkcious", "canary": "delinkcious/delinkcious-canary"}


@dataclass(frozen=True)
class Installation:
    """Delinkcious on one cluster."""

    cluster: Cluster

    def up(self) -> None:
        """Everything. Raises Failed, and a second run goes on from there."""
        require([DOCKER, self.cluster.program, KUBECTL, HELM])
        require_docker()
        self.cluster.create()
        tags = {target: self._image(target) for target in IMAGES}
        self._istio()
        self._namespace()
        # The kind Rollout: Helm installs what is in crds/ once and never changes it.
        self.kubectl("apply", "--server-side", "-f", CHART / "crds")
        self._splits()
        self.kubectl("apply", "-k", ROOT / "mesh" / "istio")
        self._chart(tags)
        self.helm("test", NAMESPACE, "--namespace", NAMESPACE, "--logs")

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> None:
        run("kubectl", "--context", self.cluster.context, *arguments, given=given)

    def ask_kubectl(self, *arguments: str | Path) -> str:
        return ask("kubectl", "--context", self.cluster.context, *arguments)

    def helm(self, *arguments: str | Path) -> None:
        run("helm", "--kube-context", self.cluster.context, *arguments)

    def _image(self, target: str) -> str:
        """Builds and loads an image; its tag is its content's, so that pods change when it does."""
        built = f"{IMAGES[target]}:built-here"
        run("docker", "build", "--target", target, "--tag", built, ROOT)
        digest = ask("docker", "image", "inspect", "--format", "{{.Id}}", built)
        tag = digest.removeprefix("sha256:")[:12]
        run("docker", "tag", built, f"{IMAGES[target]}:{tag}")
        self.cluster.load(f"{IMAGES[target]}:{tag}")
        return tag

    def _istio(self) -> None:
        """Istio's own charts; its CNI plugin, so that no pod needs a right that `restricted` denies."""
        values = yaml.safe_load((CHART / "values.yaml").read_text())["mesh"]["config"]
        self._istio_chart("istio-base", "base", {})
        self._istio_chart("istio-cni", "cni", {})
        pilot = {"env": {"ENABLE_HCM_INTERNAL_NETWORKS": "true"}}
        self._istio_chart(
            "istiod", "istiod", {"pilot": {**pilot, "cni": {"enabled": True}}, "meshConfig": values}
        )

    def _istio_chart(self, release: str, chart: str, values: dict[str, Any]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            self.helm(
                *("upgrade", "--install", release, chart, "--repo", ISTIO_CHARTS, "--version", ISTIO),
                *("--namespace", ISTIO_NAMESPACE, "--create-namespace", "--values", file.name),
                *("--wait", "--timeout", WAIT),
            )

    def _namespace(self) -> None:
        labels = {"istio-injection": "enabled", "pod-security.kubernetes.io/enforce": "restricted"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump(body))

    def _splits(self) -> None:
        """Only those that are not there: the others' weights belong to a rollout, or to a person."""
        for file in sorted((ROOT / "mesh" / "splits").glob("*.yaml")):
            if not self.ask_kubectl("get", "-f", file, "--ignore-not-found", "-o", "name"):
                self.kubectl("create", "-f", file)

    def _chart(self, tags: dict[str, str]) -> None:
        values = [word for file in VALUES for word in ("--values", str(file))]
        self.helm(
            *("upgrade", "--install", NAMESPACE, str(CHART), "--namespace", NAMESPACE, *values),
            *("--set-string", f"image.tag={tags['app']}"),
            *("--set-string", f"canary.image={IMAGES['canary']}:{tags['canary']}"),
            *("--wait", "--timeout", WAIT),
        )

    def canary(self, delinkcious: Path) -> None:
        """A rollout of `links` to its end, with traffic made for it. Raises Failed unless it is promoted."""
        place = ("--namespace", NAMESPACE)
        where = ("--kubernetes", "--context", self.cluster.context, "--namespace", NAMESPACE)
        self.kubectl("apply", "-f", ROOT / "mesh" / "canary" / "rollouts" / "links.yaml")
        self.kubectl("scale", "deployment/canary-load", "--replicas", "1", *place)
        try:
            run(delinkcious, "canary", "start", "links", "--set", "env.SEARCH_RANK=bm25", *where)
            run(delinkcious, "canary", "watch", "links", *where)
        finally:
            self.kubectl("scale", "deployment/canary-load", "--replicas", "0", *place)

    def urls(self) -> str:
        """What to type next."""
        kubectl = f"kubectl --context {self.cluster.context}"
        return f"""
Delinkcious runs on {self.cluster.context}. Reach it, each in a shell of its own:

  {kubectl} -n {ISTIO_NAMESPACE} port-forward service/ingressgateway 8443:443     https://localhost:8443
  {kubectl} -n observability port-forward service/jaeger 16686:16686     http://localhost:16686
  {kubectl} -n observability port-forward service/prometheus 9090:9090   http://localhost:9090

Let curl and the command line trust it, and sign up:

  {kubectl} -n {NAMESPACE} get secret delinkcious-ca -o 'jsonpath={{.data.ca\\.crt}}' \\
    | base64 -d > /tmp/delinkcious-ca.pem
  export CURL_CA_BUNDLE=/tmp/delinkcious-ca.pem
  echo 'quiet-otters-row-home' | delinkcious sign-up ada --password-stdin --server https://localhost:8443
"""


def report(context: str, folder: Path) -> None:
    """What to look at when something failed: pods, events and the last lines of each, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in {
        "pods": ("get", "pods", "--all-namespaces", "-o", "wide"),
        "events": ("get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp"),
        "descriptions": ("describe", "pods", "--namespace", NAMESPACE),
        "policy": (
            "get",
            "virtualservices,destinationrules,rollouts",
            "--namespace",
            NAMESPACE,
            "-o",
            "yaml",
        ),
        "lines": (
            "logs",
            "--namespace",
            NAMESPACE,
            "--selector",
            "app.kubernetes.io/part-of=delinkcious",
            "--all-containers",
            "--prefix",
            "--tail",
            "200",
            "--max-log-requests",
            "100",
        ),
    }.items():
        with (folder / f"{name}.txt").open("w") as file:
            words = ["kubectl", "--context", context, *command]
            subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, check=False)
    print(f"written: {folder}")
