"""What is restarted or changed under constant load fails no request, and loses or doubles no save."""

from __future__ import annotations

import logging

import pytest

from tests.downtime.table import CASES, Case
from tests.e2e.installation import Installation

SAMPLE = "rolling restart of links, 2 replicas"
log = logging.getLogger(__name__)  # pytest --log-cli-level=info shows the figures


def holds(installation: Installation, case: Case) -> None:
    """Nothing fails where nothing may, and whatever fails, no acknowledged save is lost or doubled."""
    row = case.row(installation)
    log.info(
        "%s: %s of %s failed %s, %s ms", row.event, row.failed, row.sent, row.failures, row.p99_during_ms
    )
    assert (row.lost, row.doubled) == (0, 0)
    assert case.reason or row.failures == {}


def test_a_rolling_restart_of_two_pods_fails_no_request(installation: Installation) -> None:
    (case,) = (case for case in CASES if case.name == SAMPLE)
    holds(installation, case)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_request_fails_while(installation: Installation, case: Case) -> None:
    holds(installation, case)
