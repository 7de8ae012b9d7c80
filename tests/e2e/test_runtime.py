"""Configuration that changes while services run: a ConfigMap is applied, and no process is a new one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.installation import (
    NAMESPACE,
    PASSWORD,
    Installation,
    Json,
    application,
    eventually,
    pid_of,
    settings_of,
)

FOLLOWED_WITHIN_S = 20.0


def configure(installation: Installation, folder: Path, service: str, settings: dict[str, Any]) -> None:
    """Apply the service's ConfigMap with these settings."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{service}-runtime", "namespace": NAMESPACE},
        "data": {"runtime.yaml": yaml.safe_dump(settings)},
    }
    file = folder / f"{service}.yaml"
    file.write_text(yaml.safe_dump(manifest))
    installation.told("mesh", "apply", "-f", str(file))


def in_force(pod: Json) -> Json:
    """What the process says of its configuration."""
    found: Json = httpx.get(f"{application(pod)}/healthz/config", trust_env=False).json()
    return found


def metric(pod: Json, name: str) -> float:
    settings = settings_of(pod)
    address = f"http://{settings['HOST']}:{settings.get('METRICS_PORT', '9090')}/metrics"
    lines = httpx.get(address, trust_env=False).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


@pytest.fixture
def users(installation: Installation) -> Iterator[Json]:
    """The pod of users; afterwards its configuration is the chart's again."""
    pod = installation.pod("users-v1")
    before = in_force(pod)["hash"]
    try:
        yield pod
    finally:
        installation.told("mesh", "reset", "configmap/users-runtime", "-n", NAMESPACE)
        eventually(lambda: in_force(pod)["hash"] == before, FOLLOWED_WITHIN_S, "the chart's configuration")


def sign_up(installation: Installation) -> httpx.Response:
    with installation.edge() as edge:
        name = f"user-{secrets.token_hex(4)}"
        return edge.post("/api/v1/users", json={"username": name, "password": PASSWORD})


def test_a_changed_config_map_is_obeyed_and_a_wrong_one_is_refused_as_a_whole(
    installation: Installation, users: Json, tmp_path: Path
) -> None:
    process, first = pid_of(users, "users"), in_force(users)
    assert first["refused"] == ""
    assert sign_up(installation).status_code == 201

    configure(installation, tmp_path, "users", {"SIGN_UPS_OPEN": False, "LOG_LEVEL": "debug"})
    eventually(lambda: in_force(users)["hash"] != first["hash"], FOLLOWED_WITHIN_S, "it is followed")
    closed, answer = in_force(users), sign_up(installation)
    assert (answer.status_code, answer.json()["title"]) == (403, "Sign-ups are closed")
    assert closed["settings"]["LOG_LEVEL"] == "debug"

    configure(installation, tmp_path, "users", {"SIGN_UPS_OPEN": True, "SIGN_UP_BURST": 0})
    eventually(lambda: in_force(users)["refused"], FOLLOWED_WITHIN_S, "it is refused")
    refused = in_force(users)
    assert refused["refused"].startswith("SIGN_UP_BURST: ")
    assert (refused["hash"], refused["settings"]) == (closed["hash"], closed["settings"])
    assert sign_up(installation).status_code == 403
    assert metric(users, "config_last_reload_successful") == 0
    lines = installation.told("mesh", "logs", f"{NAMESPACE}/{users['name']}", "-c", "users").splitlines()
    said = [json.loads(line) for line in lines if "configuration refused" in line]
    assert [line["error"] for line in said] == [refused["refused"]]

    configure(installation, tmp_path, "users", {"SIGN_UPS_OPEN": True})
    eventually(lambda: not in_force(users)["refused"], FOLLOWED_WITHIN_S, "the right one is taken")
    assert sign_up(installation).status_code == 201
    assert metric(users, "config_last_reload_successful") == 1
    assert pid_of(installation.pod("users-v1"), "users") == process
