"""What is restarted or changed under constant load fails no request, and loses or doubles no save."""

from __future__ import annotations

import logging

import pytest

from tests.downtime.table import CASES, Case
from tests.e2e.installation import Installation

SAMPLE = "rolling restart of links, 2 replicas"
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures


def holds(installation: Installation, case: Case) -> None:
    row = case.row(installation)
    log.info("%s", row)
    assert case.holds(row), row


@pytest.mark.slow
def test_a_rolling_restart_of_two_pods_fails_no_request(installation: Installation) -> None:
    (case,) = (case for case in CASES if case.name == SAMPLE)
    holds(installation, case)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_request_fails_while(installation: Installation, case: Case) -> None:
    holds(installation, case)
