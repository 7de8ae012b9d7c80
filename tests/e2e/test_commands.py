"""The commands around an installation: each may be repeated, and each says plainly what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.installation import Account, Installation, eventually, from_pod, pid_of

GONE_WITHIN_S = 60.0


def test_up_is_harmless_when_everything_runs(installation: Installation) -> None:
    before = installation.pods()

    told = installation.up()

    assert "runs already" in told
    assert installation.pods() == before


def test_status_names_the_pods_and_the_address(installation: Installation) -> None:
    told = installation.told("status")

    for pod in installation.pods():
        assert pod["name"] in told
    assert installation.url in told
    assert "Next:" not in told


def test_the_services_share_one_parent_that_has_imported_them(installation: Installation) -> None:
    services = {"links", "link-checker", "news", "social-graph", "users", "web"}
    pods = [pod for pod in installation.pods() if pod["labels"].get("app") in services]
    assert {pod["labels"]["app"] for pod in pods} == services
    parents = {psutil.Process(pid_of(pod, pod["labels"]["app"])).ppid() for pod in pods}
    assert len(parents) == 1


def test_url_and_certificate_are_all_that_a_client_needs(
    installation: Installation, account: Account
) -> None:
    url, certificate = installation.told("url").strip(), installation.told("ca").strip()

    assert url.startswith("https://127.")
    assert Path(certificate).read_text().startswith("-----BEGIN CERTIFICATE-----")
    with installation.edge() as trusting, httpx.Client(base_url=url, trust_env=False) as strange:
        assert trusting.get("/api/v1/links", headers=account.headers).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            strange.get("/api/v1/links")


def test_the_doctor_finds_everything_that_up_needs(installation: Installation) -> None:
    done = installation.run("doctor", "-o", "json")

    checks = json.loads(done.stdout)
    assert done.returncode == 0
    assert {"Envoy", "PostgreSQL"} <= {check["name"] for check in checks}
    assert [check for check in checks if check["state"] == "missing"] == []
    assert [check for check in checks if check["state"] == "weak" and not check["mend"]] == []


@pytest.mark.parametrize("command", ["up", "status", "url", "ca", "down"])
def test_outside_of_a_checkout_one_sentence_says_so(
    installation: Installation, tmp_path: Path, command: str
) -> None:
    done = installation.run(command, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"{tmp_path} is not inside a checkout of Delinkcious" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "url"])
def test_what_does_not_run_is_said_in_one_sentence(
    installation: Installation, tmp_path: Path, command: str
) -> None:
    done = installation.run(command, "--state", str(tmp_path / "none"))

    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no mesh runs in" in done.stderr


@pytest.mark.slow
def test_of_two_starts_at_once_the_later_waits_for_the_other(repository: Path, tmp_path: Path) -> None:
    made = Installation(repository, tmp_path / "twice")
    try:
        with ThreadPoolExecutor(2) as pool:
            told = sorted(start.result() for start in [pool.submit(made.up) for _ in range(2)])
    finally:
        made.run("down", "--state", str(made.state))

    assert ["is up after" in told[0], "runs already" in told[1]] == [True, True]
    assert ["Next:" in words for words in told] == [True, False]
    assert all("/api/v1/" in words for words in told)


@pytest.fixture
def second(repository: Path, tmp_path: Path) -> Iterator[Installation]:
    """Another installation on the same machine."""
    made = Installation(repository, tmp_path / "second")
    try:
        made.up()
        yield made
    finally:
        made.run("down", "--state", str(made.state))


@pytest.mark.slow
def test_two_installations_live_side_by_side_and_down_ends_only_one(
    installation: Installation, second: Installation, account: Account
) -> None:
    before = {
        pid_of(pod, container["name"]) for pod in installation.pods() for container in pod["containers"]
    }
    somebody = second.account()
    paths = {"first": installation, "second": second}

    answers = {}
    for name, place in paths.items():
        with place.edge() as edge:
            answers[name, "own"] = edge.get("/api/v1/links", headers=account.headers).status_code
            answers[name, "other"] = edge.get("/api/v1/links", headers=somebody.headers).status_code
    ended = [second.run("down", "--state", str(second.state)) for _ in range(2)]

    assert second.url != installation.url
    assert answers == {
        ("first", "own"): 200,
        ("first", "other"): 401,
        ("second", "own"): 401,
        ("second", "other"): 200,
    }
    assert [done.returncode for done in ended] == [0, 0]
    eventually(lambda: not second.processes(), GONE_WITHIN_S, "no process of the second is left")
    after = {pid_of(pod, container["name"]) for pod in installation.pods() for container in pod["containers"]}
    assert after == before


REQUESTS = {
    "allowed at the edge": ("ingressgateway", "{url}/api/v1/links", True),
    "without a token": ("ingressgateway", "{url}/api/v1/links", False),
    "left to the pages": ("ingressgateway", "{url}/sign-in", False),
    "denied by policy": ("links-v1", "http://users/api/v1/users/me", True),
    "allowed to a peer": ("links-v1", "http://users:8081/.well-known/jwks.json", False),
    "forbidden path": ("links-v1", "http://users:8081/elsewhere", False),
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_explain_says_what_really_happens(
    installation: Installation, account: Account, request_: str
) -> None:
    workload, url, signed_in = REQUESTS[request_]
    pod, url = installation.pod(workload), url.format(url=installation.url)
    headers = account.headers if signed_in else {}
    written = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]

    told = json.loads(
        installation.told(
            "mesh", "explain", f"{pod['namespace']}/{pod['name']}", "GET", url, *written, "-o", "json"
        )
    )

    client = installation.edge() if workload == "ingressgateway" else from_pod(pod)
    with client:
        real = client.get(url, headers=headers)
    if told["outcome"] == "forwarded":
        assert real.status_code == 200
    else:
        assert real.status_code == told["status"]
    if told["rule"] is not None:
        file = Path(told["rule"]["file"])
        assert file.is_relative_to(installation.checkout)
        assert len(file.read_text().splitlines()) >= told["rule"]["line"]
