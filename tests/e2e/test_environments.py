"""Two environments of one checkout at the same time: nothing of one is known in the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.installation import PASSWORD, Installation, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GONE_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def dev(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The usual environment of a checkout."""
    made = Installation(repository, tmp_path_factory.mktemp("environments"))
    made.state = made.checkout / ".delinkcious"
    try:
        done = made.run("up", "--no-tools")
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        made.run("down")
        eventually(lambda: not made.processes(), GONE_WITHIN_S, "no process of the usual one is left")


@pytest.fixture(scope="module")
def staging(dev: Installation) -> Iterator[Installation]:
    """The other one, of the same checkout."""
    made = copy.copy(dev)
    made.state = dev.checkout / ".delinkcious-staging"
    try:
        done = made.run("up", "--env", "staging", "--no-tools")
        assert done.returncode == 0, done.stderr
        assert "Delinkcious (staging) is up" in done.stdout
        yield made
    finally:
        made.run("down", "--env", "staging")


def test_each_has_its_own_address_accounts_and_certificate(dev: Installation, staging: Installation) -> None:
    urls = [dev.run("url").stdout.strip(), dev.run("url", "--env", "staging").stdout.strip()]
    assert urls == [dev.url, staging.url]
    assert len(set(urls)) == 2
    assert dev.told("ca") != staging.told("ca")
    account = dev.account()
    credentials = {"username": account.name, "password": PASSWORD}
    with dev.edge() as own, staging.edge() as other:
        assert own.get("/api/v1/links", headers=account.headers).status_code == 200
        assert other.get("/api/v1/links", headers=account.headers).status_code == 401
        assert other.post("/api/v1/sessions", json=credentials).status_code == 401
        assert other.post("/api/v1/users", json=credentials).status_code == 201


def test_a_split_of_one_is_edited_without_the_other(dev: Installation, staging: Installation) -> None:
    shared = dev.checkout / "mesh" / "splits" / "links.yaml"
    own = staging.state / "splits" / "links.yaml"
    before = shared.read_text()
    assert own.read_text() == before
    own.write_text(before.replace("weight: 100", "weight: 90").replace("weight: 0\n", "weight: 10\n"))
    assert own.read_text() != before
    eventually(lambda: ":90" in _split(staging), GONE_WITHIN_S, "staging follows its own file")
    assert ":90" not in _split(dev)
    assert shared.read_text() == before


def _split(installation: Installation) -> str:
    """The weights of links, as its gateway has them."""
    found = installation.told("mesh", "get", "routes", "-o", "json")
    return "".join(f":{weight}" for weight in _weights(yaml.safe_load(found)))


def _weights(found: object) -> Iterator[int]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "weight":
                yield int(value)
            else:
                yield from _weights(value)
    elif isinstance(found, list):
        for each in found:
            yield from _weights(each)


def test_the_variable_lets_every_command_mean_it(dev: Installation, staging: Installation) -> None:
    meant = {"DELINKCIOUS_ENV": "staging"}
    pods = dev.run("mesh", "get", "pods", env=meant).stdout
    assert all(pod["name"] in pods for pod in staging.pods())
    assert len([pod for pod in staging.pods() if pod["workload"] == "links-v1"]) == 2
    listed = {
        line.strip("* ").split()[0]: line.split() for line in dev.run("env", "list").stdout.splitlines()
    }
    assert {name: "up" in words for name, words in listed.items()} == {"dev": True, "staging": True}
    name = "somebody-else"
    done = dev.run("sign-up", name, "--password-stdin", typed=PASSWORD, env=meant)
    assert done.returncode == 0, done.stderr
    with dev.edge() as edge:
        session = edge.post("/api/v1/sessions", json={"username": name, "password": PASSWORD})
    assert session.status_code == 401


def test_the_end_of_one_leaves_the_other(dev: Installation, staging: Installation) -> None:
    account = dev.account()
    done = dev.run("down", "--env", "staging")
    assert done.stdout == "Delinkcious (staging) is down.\n"
    assert not [one for one in staging.processes() if str(staging.state) in " ".join(one.cmdline())]
    with dev.edge() as edge:
        assert edge.get("/api/v1/links", headers=account.headers).status_code == 200
