"""A split of traffic by an edited file: exact, at once, no request lost; a wrong file changes nothing."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.bench.load import Target, get, load
from tests.e2e.installation import NAMESPACE, Account, Installation, eventually
from tests.e2e.splitting import Policy, renamed_into_place, truncated_and_written
from tests.e2e.traffic import PAGE, served, steady

EFFECTIVE_WITHIN_S = 1.0
TOLD_WITHIN_S = 60.0
REQUESTS = 1_000
SIGMAS = 5  # one run in a million goes beyond by chance
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures

STAMP = re.compile(r"^\S+Z ")  # of a line in a log


@pytest.fixture(scope="module")
def two_versions(installation: Installation) -> Iterator[None]:
    installation.told("mesh", "scale", "deployment/links-v2", "--replicas", "1", "-n", NAMESPACE)
    yield
    installation.told("mesh", "scale", "deployment/links-v2", "--replicas", "0", "-n", NAMESPACE)


@pytest.fixture
def policy(installation: Installation) -> Iterator[Policy]:
    """The file as it is, and as it was again after the test."""
    file = installation.checkout / "mesh" / "splits" / "links.yaml"
    found = Policy(installation, file, file.read_text())
    yield found
    if file.read_text() != found.original:
        found.edit(found.original, renamed_into_place)


def send(installation: Installation, account: Account, requests: int) -> None:
    """Send so many requests to the edge over a few connections; all must be answered."""
    address = urlsplit(installation.url)
    assert address.hostname is not None
    assert address.port is not None
    request = get(PAGE, address.netloc, list(account.headers.items()))
    target = Target("edge", address.hostname, address.port, request, installation.trusted)
    result = asyncio.run(load(target, connections=8, seconds=60, requests=requests))
    assert result.statuses == {200: requests}


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize("write", [renamed_into_place, truncated_and_written])
@pytest.mark.parametrize("percent", [25, 0])
def test_requests_split_as_the_edited_file_says_within_a_second(
    installation: Installation,
    policy: Policy,
    account: Account,
    write: Callable[[Path, str], None],
    percent: int,
) -> None:
    policy.split(50, 50, renamed_into_place)
    began = time.monotonic()
    policy.split(100 - percent, percent, write)
    took_s = time.monotonic() - began
    pods = [installation.pod("links-v1"), installation.pod("links-v2")]
    before = [served(pod) for pod in pods]

    send(installation, account, REQUESTS)

    def counted() -> list[int]:
        """A process counts a request when it has sent the answer: after who asked has it, at times."""
        return [served(pod) - seen for pod, seen in zip(pods, before, strict=True)]

    first, second = eventually(
        lambda: found if sum(found := counted()) >= REQUESTS else None, TOLD_WITHIN_S, "all are counted"
    )
    share = percent / 100
    log.info("%s %%: %s + %s requests, in force after %.0f ms", percent, first, second, took_s * 1000)
    assert took_s < EFFECTIVE_WITHIN_S
    assert first + second == REQUESTS
    assert abs(second - REQUESTS * share) <= SIGMAS * math.sqrt(REQUESTS * share * (1 - share))


def edit_under_load(installation: Installation, policy: Policy, account: Account, edits: int) -> list[float]:
    """Edit again and again while 100 requests a second go on; none of them may fail."""
    with steady(installation, account, rate=100) as tally:
        eventually(lambda: tally.outcomes["200"] > 100, TOLD_WITHIN_S, "the load runs")
        took = [
            policy.split(
                99 - number % 99, 1 + number % 99, (renamed_into_place, truncated_and_written)[number % 2]
            )
            for number in range(edits)
        ]
    log.info("%s edits: %s, slowest answer %.0f ms", edits, dict(tally.outcomes), tally.slowest_s * 1000)
    assert tally.failures == {}
    return took


@pytest.mark.usefixtures("two_versions")
def test_edits_of_the_weights_under_load_fail_no_request(
    installation: Installation, policy: Policy, account: Account
) -> None:
    edit_under_load(installation, policy, account, edits=15)


@pytest.fixture
def eight_sidecars(installation: Installation, two_versions: None) -> None:
    """One of each service, two of `links`, and the gateway's Envoy."""
    assert sum(pod["admin"] is not None for pod in installation.pods()) == 8


@pytest.mark.slow
@pytest.mark.usefixtures("eight_sidecars")
def test_a_hundred_edits_over_eight_sidecars_under_load_fail_no_request_and_take_50_ms_at_most(
    installation: Installation, policy: Policy, account: Account
) -> None:
    took = edit_under_load(installation, policy, account, edits=100)

    p99 = statistics.quantiles(took, n=100)[98]
    log.info(
        "edit to effect: p50 %.1f ms, p99 %.1f ms, worst %.1f ms", statistics.median(took), p99, max(took)
    )
    assert p99 <= 50


MISTAKES = {
    "a misspelt field": ("weight: 0", "weigth: 0", "spec.http[0].route[1].weigth"),
    "an unknown subset": ("subset: v2, port", "subset: v3, port", "spec.http[0].route[1].destination.subset"),
    "an unsupported feature": (
        "- name: split\n",
        "- name: split\n      fault: {abort: {http2Error: REFUSED_STREAM, percentage: {value: 1}}}\n",
        "spec.http[0].fault.abort.http2Error",
    ),
}


@pytest.fixture(params=MISTAKES)
def mistake(request: pytest.FixtureRequest, policy: Policy) -> tuple[str, str, int]:
    """The policy with a mistake, the field that is wrong, and its line."""
    right, wrong, field = MISTAKES[request.param]
    text = policy.original.replace(right, wrong, 1)
    word = field.rpartition(".")[2]
    line = next(
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(rf"\b{word}: {'v3' if word == 'subset' else ''}", line)
    )
    assert text != policy.original
    return text, field, line


def names(said: str, file: str, line: int) -> bool:
    """Whether a refusal says where it is and what it is about."""
    place, resource = f"{file}:{line}: error: ", re.compile(r"VirtualService[ /]delinkcious/links-routes\b")
    return STAMP.sub("", said).startswith(place) and resource.search(said) is not None


def versions(installation: Installation) -> set[str]:
    return {f"{pod['name']} {pod['configVersion']}" for pod in installation.pods()}


def test_a_wrong_file_is_not_applied_and_says_where_and_what(
    installation: Installation, tmp_path: Path, mistake: tuple[str, str, int]
) -> None:
    text, field, line = mistake
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    before = versions(installation)

    done = installation.run("mesh", "apply", "-f", str(file), "--state", str(installation.state))

    assert done.returncode == 1
    said = next(found for found in done.stderr.splitlines() if field in found)
    assert names(said, os.path.relpath(file, installation.checkout), line)
    assert versions(installation) == before


def test_a_wrong_edit_of_a_watched_file_changes_nothing_and_a_right_one_after_it_works(
    installation: Installation,
    policy: Policy,
    account: Account,
    edge: httpx.Client,
    mistake: tuple[str, str, int],
) -> None:
    text, field, line = mistake
    before, heard = versions(installation), len(installation.log())

    policy.file.write_text(text)

    said = eventually(
        lambda: [found for found in installation.log()[heard:].splitlines() if field in found],
        TOLD_WITHIN_S,
        field,
    )[0]
    assert names(said, str(policy.file), line)
    eventually(lambda: "nothing was changed" in installation.log()[heard:], TOLD_WITHIN_S, "it says so")
    assert versions(installation) == before
    assert edge.get("/api/v1/links", headers=account.headers).status_code == 200
    policy.edit(policy.weighted(100, 1), renamed_into_place)
    assert versions(installation) != before


def test_a_refused_file_is_told_until_it_is_mended(installation: Installation, policy: Policy) -> None:
    renamed_into_place(policy.file, policy.original.replace("weight:", "wieght:", 1))
    eventually(lambda: "wieght" in told_by_status(installation), TOLD_WITHIN_S, "the refusal")
    renamed_into_place(policy.file, policy.original)
    eventually(lambda: "NOT IN FORCE" not in told_by_status(installation), TOLD_WITHIN_S, "the mended file")


def told_by_status(installation: Installation) -> str:
    done = installation.run("status", "--state", str(installation.state))
    return done.stdout + done.stderr
