"""kind and minikube: a cluster by the name `delinkcious`, made when it is not there, and its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from deploy.clusters.programs import KIND, MINIKUBE, Program, ask, run

NAME = "delinkcious"
CONFIGURATION = Path(__file__).with_name("kind.yaml")
# Six services with sidecars, three stores, istiod, Prometheus.
CPUS, MEMORY_MIB = 4, 8192


class Cluster(Protocol):
    """One kind of cluster."""

    program: Program
    context: str

    def create(self) -> None:
        """Make it, or start it again; nothing happens when it runs."""

    def load(self, image: str) -> None:
        """Bring an image of this machine's docker into it."""

    def delete(self) -> None:
        """Delete it with all that it holds."""


class Kind:
    program = KIND
    context = f"kind-{NAME}"

    def create(self) -> None:
        if NAME in ask("kind", "get", "clusters").splitlines():
            # Its node is a container, which a restart of the machine has stopped.
            nodes = ask("kind", "get", "nodes", "--name", NAME).split()
            run("docker", "start", *nodes)
        else:
            run("kind", "create", "cluster", "--name", NAME, "--config", CONFIGURATION, "--wait", "180s")
        run("kind", "export", "kubeconfig", "--name", NAME)

    def load(self, image: str) -> None:
        run("kind", "load", "docker-image", image, "--name", NAME)

    def delete(self) -> None:
        run("kind", "delete", "cluster", "--name", NAME)


class Minikube:
    program = MINIKUBE
    context = NAME

    def create(self) -> None:
        # It starts what is stopped and leaves alone what runs. Calico enforces NetworkPolicies.
        run(
            *("minikube", "start", "--profile", NAME, "--driver", "docker", "--cni", "calico"),
            *("--cpus", str(CPUS), "--memory", str(MEMORY_MIB), "--wait", "all"),
        )

    def load(self, image: str) -> None:
        listed = ask("minikube", "image", "ls", "--profile", NAME, "--format", "json")
        tags = [tag for each in json.loads(listed or "[]") for tag in each["repoTags"]]
        if f"docker.io/{image}" in tags:
            return
        run("minikube", "image", "load", image, "--profile", NAME)

    def delete(self) -> None:
        run("minikube", "delete", "--profile", NAME)


CLUSTERS: dict[str, Cluster] = {"kind": Kind(), "minikube": Minikube()}
