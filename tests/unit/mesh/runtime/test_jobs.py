"""How a Job gets done: how many pods at once, which indexes, when it has failed."""

from __future__ import annotations

from mesh.local.runtime.jobs import JobRun


def test_a_plain_job_is_one_pod_and_done_when_that_succeeds() -> None:
    run = JobRun.begin("h", {})
    assert run.starts([]) == [None]
    assert run.starts([None]) == []
    run.ended("Succeeded")
    assert (run.state, run.starts([])) == ("Succeeded", [])


def test_as_many_pods_run_at_once_as_it_says_and_no_more_than_are_left() -> None:
    run = JobRun.begin("h", {"completions": 3, "parallelism": 2})
    assert run.starts([]) == [None, None]
    run.ended("Succeeded", others=1)
    assert run.starts([None]) == [None]
    run.ended("Succeeded", others=1)
    assert run.starts([None]) == []
    run.ended("Succeeded")
    assert run.state == "Succeeded"


def test_an_index_that_failed_is_given_again_and_one_that_is_done_is_not() -> None:
    run = JobRun.begin("h", {"completions": 3, "parallelism": 2, "completionMode": "Indexed"})
    assert run.starts([]) == [0, 1]
    assert run.starts([0]) == [1]
    run.ended("Succeeded", 0, others=1)
    run.ended("Failed", 1)
    assert run.starts([]) == [1, 2]
    run.ended("Succeeded", 1, others=1)
    run.ended("Succeeded", 2)
    assert run.state == "Succeeded"


def test_a_queue_of_work_is_done_when_one_says_so_and_all_have_ended() -> None:
    run = JobRun.begin("h", {"parallelism": 2})
    assert run.starts([]) == [None, None]
    run.ended("Succeeded", others=1)
    assert (run.state, run.starts([None])) == ("Pending", [])
    run.ended("Succeeded", others=0)
    assert run.state == "Succeeded"


def test_more_failures_than_allowed_end_it() -> None:
    run = JobRun.begin("h", {"backoffLimit": 1})
    assert run.ended("Failed") > 0
    assert run.state == "Pending"
    assert run.ended("Failed") == 0
    assert (run.state, run.starts([])) == ("Failed", [])


def test_nothing_to_do_is_done() -> None:
    assert JobRun.begin("h", {"completions": 0}).state == "Succeeded"
