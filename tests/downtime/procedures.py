"""The procedures of docs/operations.md: a rolling update, its undoing, and blue/green."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from delinkcious.secrets import secret
from mesh.local.runtime.client import Client
from mesh.local.runtime.state import State
from tests.downtime.events import BACK_WITHIN_S, pods_of, policy_of, restart, scale
from tests.e2e.installation import NAMESPACE, Installation, Json, eventually, settings_of
from tests.e2e.splitting import renamed_into_place

LINKS = "links-v1"
KEY = ("Deployment", NAMESPACE, LINKS)
SERVICES = ("users", "links", "social-graph", "news", "link-checker", "web")
TOKEN_KEY = ("Secret", NAMESPACE, "service-token")
RELEASE = "RELEASE"  # a variable that no service knows: another template, the same program


def manifest_of(installation: Installation, name: str = LINKS) -> Json:
    """A Deployment as the chart has it."""
    rendered = Path(installation.checkout / "helm" / "local.yaml").read_text()
    found: Json = next(
        one
        for one in yaml.safe_load_all(rendered)
        if one and one["kind"] == "Deployment" and one["metadata"]["name"] == name
    )
    return found


def released(earlier: Json, release: str) -> Json:
    """The next release: a variable more."""
    manifest = copy.deepcopy(earlier)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["env"].append({"name": RELEASE, "value": release})
    return manifest


def broken(earlier: Json) -> Json:
    """A release that starts and never becomes ready."""
    manifest = released(earlier, "broken")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["command"] = ["sleep", "3600"]
    return manifest


def apply(installation: Installation, manifest: Json) -> None:
    """`delinkcious mesh apply --no-wait`."""
    documents = [{"file": "release.yaml", "text": yaml.safe_dump(manifest)}]
    Client(State(installation.state)).post("/apply", {"documents": documents})


def rolled_out(installation: Installation) -> None:
    body = {"keys": [KEY], "within_s": BACK_WITHIN_S}
    Client(State(installation.state)).post("/rollout", body, within_s=BACK_WITHIN_S + 10)


def releases(installation: Installation) -> set[str]:
    """The releases that its ready pods run."""
    ready = [pod for pod in pods_of(installation, LINKS) if pod["ready"]]
    return {settings_of(pod).get(RELEASE, "") for pod in ready}


@contextmanager
def two_pods(installation: Installation) -> Iterator[None]:
    """Two pods of `links`; afterwards the files rule again."""
    scale(installation, LINKS, 2)
    try:
        yield
    finally:
        Client(State(installation.state)).post("/reset", {"keys": [KEY]})
        rolled_out(installation)
        scale(installation, LINKS, 1)


def update_and_undo(installation: Installation) -> None:
    """Another template in, and the earlier one again."""
    earlier = manifest_of(installation)
    earlier["spec"]["replicas"] = 2
    for manifest, release in ((released(earlier, "2"), "2"), (earlier, "")):
        apply(installation, manifest)
        rolled_out(installation)
        assert releases(installation) == {release}


def undo_a_broken_update(installation: Installation) -> None:
    """A release whose first pod never becomes ready stops there; the earlier manifest takes it away."""
    earlier = manifest_of(installation)
    earlier["spec"]["replicas"] = 2
    before = {pod["name"] for pod in pods_of(installation, LINKS)}
    apply(installation, broken(earlier))
    eventually(lambda: _stuck(installation, before), BACK_WITHIN_S, "the broken pod is started")
    assert releases(installation) == {""}
    apply(installation, earlier)
    rolled_out(installation)
    gone = eventually(
        lambda: {pod["name"] for pod in pods_of(installation, LINKS)} == before,
        BACK_WITHIN_S,
        "the broken pod is gone, and no other",
    )
    assert gone


def _stuck(installation: Installation, before: set[str]) -> bool:
    """Whether there is a new pod, with a running process, that is not ready; and all old ones are."""
    pods = pods_of(installation, LINKS)
    new = [pod for pod in pods if pod["name"] not in before]
    running = [part["pid"] for pod in new for part in pod["containers"] if part["name"] == "links"]
    old = [pod["ready"] for pod in pods if pod["name"] in before]
    return len(new) == 1 and all(running) and not new[0]["ready"] and old == [True] * len(before)


def blue_green(installation: Installation) -> None:
    """Green beside blue, all requests at once; blue goes, comes back, and has all of them again."""
    policy = policy_of(installation, "links")
    scale(installation, "links-v2", 1)
    policy.split(0, 100, renamed_into_place)
    scale(installation, LINKS, 0)
    scale(installation, LINKS, 1)
    policy.edit(policy.original, renamed_into_place)
    scale(installation, "links-v2", 0)


def rotate_service_token(installation: Installation) -> None:
    """Another token for calls between services, accepted first, shown then; the same way back."""
    earlier: str = json.loads((installation.state / "secrets.json").read_text())["service_token"]
    another = secrets.token_urlsafe(32)
    client = Client(State(installation.state))
    for value in (f"{earlier},{another}", f"{another},{earlier}", f"{earlier},{another}"):
        _give(installation, value)
    client.post("/reset", {"keys": [TOKEN_KEY]})
    _restart_all(installation)


def _give(installation: Installation, token: str) -> None:
    apply(installation, secret("service-token", {"token": token}))
    _restart_all(installation)


def _restart_all(installation: Installation) -> None:
    for service in SERVICES:
        restart(installation, f"{service}-v1")
