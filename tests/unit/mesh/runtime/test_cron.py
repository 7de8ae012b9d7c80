"""When CronJobs are due, and what becomes of their Jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mesh.local import schedule
from mesh.local.model import Resource, Source
from mesh.local.runtime.cron import CronJobs
from mesh.local.runtime.errors import Conflict, MeshError
from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.workload import Key

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    """CronJobs with one CronJob, and Jobs that end when the test says so."""

    def __init__(self, **spec: Any) -> None:
        self.runs: dict[Key, JobRun] = {}
        self.cron = CronJobs(lambda: self.runs, lambda _: None)
        body = {
            "metadata": {"name": "tick"},
            "spec": {
                "schedule": "* * * * *",
                "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}},
                **spec,
            },
        }
        self.resource = Resource("batch/v1", "CronJob", "default", "tick", body, Source("a.yaml", 1))
        self.cron.look([self.resource], NOON)

    def at(self, minutes: float) -> list[str]:
        """The names of the Jobs that there are at that time."""
        self.cron.look([self.resource], NOON + minutes * MINUTE)
        for workload in self.cron.workloads:
            self.runs.setdefault(workload.key, JobRun.begin("h", {}))
        return [workload.resource.name for workload in self.cron.workloads]

    def end(self, phase: Any = "Succeeded") -> None:
        for run in self.runs.values():
            if run.state == "Pending":
                run.backoff_limit = 0
                run.ended(phase)


def test_a_job_is_made_when_it_is_due_and_named_by_the_minute() -> None:
    clock = Clock()
    assert clock.at(0.5) == []
    [name] = clock.at(1)
    assert name == f"tick-{int((NOON + MINUTE).timestamp()) // 60}"
    assert clock.at(1.5) == [name]


def test_it_says_when_to_look_again() -> None:
    clock = Clock()
    assert clock.cron.look([clock.resource], NOON + timedelta(seconds=20)) == 40
    assert clock.cron.look([], NOON) is None


def test_what_was_missed_is_made_up_for_once() -> None:
    assert len(Clock().at(10)) == 1


def test_of_a_long_sleep_only_the_last_start_is_made_up_for() -> None:
    clock = Clock(concurrencyPolicy="Forbid")
    [name] = clock.at(60 * 24 * 400)
    clock.end()
    assert name == f"tick-{int((NOON + 60 * 24 * 400 * MINUTE).timestamp()) // 60}"
    assert clock.at(60 * 24 * 400 + 0.5) == [name]


def test_a_rare_start_is_found_however_long_ago() -> None:
    assert len(Clock(schedule="0 0 29 2 1").at(60 * 24 * 366 * 9)) == 1


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    clock = Clock()
    clock.at(60 * 24 * 365)
    assert len(clock.at(2)) == 1
    assert len(clock.at(3)) == 2


def test_what_is_too_late_is_not_made_up_for() -> None:
    clock = Clock(schedule="0 * * * *", startingDeadlineSeconds=30)
    assert clock.at(61) == []
    assert len(Clock(schedule="0 * * * *", startingDeadlineSeconds=90).at(61)) == 1


def test_forbid_waits_for_the_one_that_runs() -> None:
    clock = Clock(concurrencyPolicy="Forbid")
    first = clock.at(1)
    assert clock.at(2) == first
    clock.end()
    assert len(clock.at(2.5)) == 2


def test_replace_takes_the_running_one_away() -> None:
    clock = Clock(concurrencyPolicy="Replace")
    first = clock.at(1)
    second = clock.at(2)
    assert (len(second), first == second) == (1, False)


def test_allow_lets_them_run_side_by_side() -> None:
    clock = Clock()
    clock.at(1)
    assert len(clock.at(2)) == 2


def test_a_suspended_one_makes_nothing() -> None:
    assert Clock(suspend=True).at(5) == []


def test_only_so_many_that_have_ended_are_kept() -> None:
    clock = Clock(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1)
    for minute in range(1, 6):
        clock.at(minute)
        clock.end()
    assert len(clock.at(5.5)) == 2
    for minute in range(6, 9):
        clock.at(minute)
        clock.end("Failed")
    assert len(clock.at(8.5)) == 3


def test_one_that_ended_long_enough_ago_is_forgotten_but_not_when_it_was() -> None:
    spec = {"template": {"spec": {"containers": []}}, "ttlSecondsAfterFinished": 0}
    clock = Clock(jobTemplate={"spec": spec})
    assert len(clock.at(1)) == 1
    clock.end()
    assert clock.at(1.5) == []
    assert clock.cron.last(clock.resource.key) == NOON + MINUTE


def test_one_can_be_made_by_hand_once_by_a_name() -> None:
    clock = Clock(suspend=True)
    clock.cron.create(clock.resource, "now")
    assert clock.at(0) == ["now"]
    assert clock.cron.last(clock.resource.key) is None, "it was not due"
    with pytest.raises(Conflict, match="already exists"):
        clock.cron.create(clock.resource, "now")
    with pytest.raises(MeshError, match="is no valid name"):
        clock.cron.create(clock.resource, "../../now")


def test_with_its_cronjob_its_jobs_go() -> None:
    clock = Clock()
    clock.at(1)
    clock.cron.look([], NOON + 2 * MINUTE)
    assert clock.cron.workloads == []


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2024-01-01T00:00", "2024-01-01T01:30"),
        ("@daily", "America/New_York", "2024-07-01T12:00", "2024-07-02T04:00"),
        ("0 9 * * MON-FRI", None, "2024-06-28T10:00", "2024-07-01T09:00"),
        ("5/20 * * * *", None, "2024-06-28T10:26", "2024-06-28T10:45"),
        ("0 0 ? * 0", None, "2024-07-01T00:00", "2024-07-07T00:00"),
    ],
)
def test_a_schedule_is_read_in_its_time_zone(text: str, zone: str | None, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    due = next(schedule.starts(text, schedule.zone(zone), moment))
    assert due.astimezone(UTC).isoformat()[:16] == expected


@pytest.mark.parametrize(
    "text", ["* * *", "61 * * * *", "0 0 * * 7", "0 0 L * *", "0 0 * * 5#2", "*/0 * * * *", "@every 5m", "x"]
)
def test_what_kubernetes_does_not_read_is_refused(text: str) -> None:
    assert "is no schedule" in str(schedule.refusal(text))
