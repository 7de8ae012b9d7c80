"""Other programs: whether they are there, how to get them, and running them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class Failed(RuntimeError):
    """What went wrong, for the person who asked."""


@dataclass(frozen=True)
class Program:
    """Its name on PATH, what it is needed for here, and where it comes from."""

    name: str
    purpose: str
    source: str


DOCKER = Program(
    "docker", "builds the images and runs the cluster's nodes", "https://docs.docker.com/engine/install/"
)
KIND = Program(
    "kind",
    "makes the cluster out of containers",
    "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
)
MINIKUBE = Program("minikube", "makes the cluster", "https://minikube.sigs.k8s.io/docs/start/")
KUBECTL = Program("kubectl", "applies policy and splits", "https://kubernetes.io/docs/tasks/tools/#kubectl")
HELM = Program("helm", "installs Istio and the chart", "https://helm.sh/docs/intro/install/")


def require(programs: Iterable[Program]) -> None:
    """Raises Failed with everything that is missing, not only the first."""
    missing = [each for each in programs if shutil.which(each.name) is None]
    if missing:
        lines = [f"  {each.name:9} {each.purpose}; get it from {each.source}" for each in missing]
        raise Failed("\n".join(["These programs are not on PATH:", *lines]))


def require_docker() -> None:
    """Raises Failed where no container can be started."""
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout.strip():
        why = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        raise Failed(
            f"docker is there, but its daemon does not answer: {why[0]}\n"
            "Start it (`systemctl start docker`, or Docker Desktop), and be in the group that may use it."
        )


def run(*command: str | Path, given: str | None = None) -> None:
    """Run a command whose output a person may read; `given` is its input. Raises Failed."""
    words = [str(word) for word in command]
    print(f"+ {shlex.join(words)}", flush=True)
    done = subprocess.run(words, input=given, text=True)
    if done.returncode != 0:
        raise Failed(f"`{shlex.join(words)}` ended with {done.returncode}; what it said stands above.")


def ask(*command: str | Path) -> str:
    """What a command answers. Raises Failed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        raise Failed(f"`{shlex.join(words)}` ended with {done.returncode}")
    return done.stdout.strip()
