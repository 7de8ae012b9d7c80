"""What happens to an installation while it is loaded; each returns once it is over."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State
from tests.e2e.installation import NAMESPACE, Installation, Json, eventually, pid_of
from tests.e2e.splitting import Policy, renamed_into_place, truncated_and_written

GATEWAY = "istio-system/ingressgateway"
PROXY = "istio-proxy"
BACK_WITHIN_S = 60.0
EDITS = 100
ROTATIONS = 100
STEPS = (10, 50, 100)  # per cent of the traffic that the newer version gets, one after the other


def told(installation: Installation, path: str, workload: str, **body: object) -> None:
    """What `delinkcious mesh scale` and `restart` ask the supervisor for; `workload` may have a namespace."""
    namespace, _, name = workload.rpartition("/")
    target = {"namespace": namespace or NAMESPACE, "name": name, **body}
    Client(State(installation.state)).post(path, target)


def restart(installation: Installation, workload: str) -> None:
    """`delinkcious mesh restart`: one pod after the other."""
    told(installation, "/restart", workload)


def scale(installation: Installation, workload: str, *counts: int) -> None:
    """`delinkcious mesh scale`, to one count after the other."""
    for count in counts:
        told(installation, "/scale", workload, replicas=count)


@contextmanager
def replicas(installation: Installation, workload: str, count: int) -> Iterator[None]:
    """So many pods of a Deployment until the block is left; then one again."""
    scale(installation, workload, count)
    try:
        yield
    finally:
        scale(installation, workload, 1)


def pods_of(installation: Installation, workload: str) -> list[Json]:
    name = workload.rpartition("/")[2]
    return [pod for pod in installation.every_pod() if pod["workload"] == name]


def kill_sidecars(installation: Installation, workload: str) -> None:
    """Kill the Envoy of each pod, one after the other; the next one when the one before is back."""
    for pod in pods_of(installation, workload):
        killed = psutil.Process(pid_of(pod, PROXY))
        killed.kill()
        killed.wait(BACK_WITHIN_S)
        eventually(
            lambda old=killed.pid: _all_back(installation, workload, old),  # type: ignore[misc]
            BACK_WITHIN_S,
            f"the sidecars of {workload} are back",
        )
        _known(installation, workload)


def _all_back(installation: Installation, workload: str, killed: int) -> bool:
    pods = pods_of(installation, workload)
    return all(pod["ready"] and pid_of(pod, PROXY) not in (None, killed) for pod in pods)


def _known(installation: Installation, workload: str) -> None:
    """Wait until every sidecar sends to them again."""
    namespace, _, name = workload.rpartition("/")
    key = ("Deployment", namespace or NAMESPACE, name)
    Client(State(installation.state)).post("/rollout", {"keys": [key], "within_s": BACK_WITHIN_S})


def rotate_certificates(installation: Installation) -> None:
    """`delinkcious mesh rotate`, again and again: a new certificate for every proxy each time."""
    for _ in range(ROTATIONS):
        Client(State(installation.state)).post("/rotate", {})


def policy_of(installation: Installation, service: str) -> Policy:
    file: Path = installation.checkout / "mesh" / "splits" / f"{service}.yaml"
    return Policy(installation, file, file.read_text())


def edit_weights(installation: Installation, edits: int = EDITS) -> None:
    """Edit the split of `links`, again and again, and put the file back."""
    policy = policy_of(installation, "links")
    writes = (renamed_into_place, truncated_and_written)
    for number in range(edits):
        policy.split(99 - number % 99, 1 + number % 99, writes[number % 2])
    policy.edit(policy.original, renamed_into_place)


def promote(policy: Policy) -> None:
    """Let the newer version have all of the traffic, step by step."""
    for percent in STEPS:
        policy.split(100 - percent, percent, renamed_into_place)


def roll_back(policy: Policy) -> None:
    """The same way back, to the file as it was."""
    for percent in STEPS[-2::-1]:
        policy.split(100 - percent, percent, renamed_into_place)
    policy.edit(policy.original, renamed_into_place)


def canary(installation: Installation) -> None:
    """v2 comes and takes over, v1 goes; then all of it backwards."""
    policy = policy_of(installation, "links")
    scale(installation, "links-v2", 1)
    promote(policy)
    scale(installation, "links-v1", 0)
    scale(installation, "links-v1", 1)
    roll_back(policy)
    scale(installation, "links-v2", 0)


def restart_postgres(installation: Installation) -> None:
    """The fast shutdown that `pg_ctl restart` asks for; the supervisor starts it again."""
    before = psutil.Process(_postmaster(installation))
    before.send_signal(signal.SIGINT)
    before.wait(BACK_WITHIN_S)
    eventually(lambda: _postmaster(installation) not in (0, before.pid), BACK_WITHIN_S, "PostgreSQL is back")


def _postmaster(installation: Installation) -> int:
    """Its pid, which it writes into the first line of this file once it begins; 0 without one."""
    file = installation.state / "processes" / "postgres" / "data" / "postmaster.pid"
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0
