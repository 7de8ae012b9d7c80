"""The Jobs that CronJobs make: which are due, which run, which are kept to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mesh.local import schedule
from mesh.local.model import Json, Resource
from mesh.local.runtime.errors import Conflict, MeshError
from mesh.local.runtime.jobs import JobRun
from mesh.local.runtime.workload import Key, Workload
from mesh.local.schema.text import object_name

SUCCEEDED_KEPT, FAILED_KEPT = 3, 1
LONGEST_WAIT_S = 60.0  # a clock may be set, and a laptop may sleep


@dataclass(frozen=True)
class Made:
    """One Job and the CronJob that it is of."""

    owner: Key
    workload: Workload


class CronJobs:
    """Holds the Jobs that were made; `runs` tells how far each is."""

    def __init__(self, runs: Callable[[], Mapping[Key, JobRun]], report: Callable[[str], None]) -> None:
        self._runs, self._report = runs, report
        self._made: dict[Key, Made] = {}
        self._since: dict[Key, datetime] = {}  # the last start, or when it was first seen
        self._last: dict[Key, datetime] = {}

    @property
    def workloads(self) -> list[Workload]:
        return [made.workload for made in self._made.values()]

    def last(self, cron: Key) -> datetime | None:
        """When a CronJob was due last, if it was started since the mesh was."""
        return self._last.get(cron)

    def active(self, cron: Key) -> list[Key]:
        """Its Jobs that have not ended."""
        return [key for key in self._of(cron) if self._state(key) == "Pending"]

    def look(self, crons: Sequence[Resource], now: datetime) -> float | None:
        """Make what is due, forget what is old; seconds until the next look, None without CronJobs."""
        known = {cron.key for cron in crons}
        self._since = {key: since for key, since in self._since.items() if key in known}
        self._last = {key: last for key, last in self._last.items() if key in known}
        self._made = {key: made for key, made in self._made.items() if made.owner in known}
        waits = [self._look(cron, now) for cron in crons]
        return min((wait for wait in waits if wait is not None), default=None)

    def create(self, cron: Resource, name: str) -> None:
        """Make a Job of a CronJob now, whatever its schedule says. Raises Conflict, MeshError."""
        if (why := object_name(name)) is not None:
            raise MeshError(why)
        job = _job(cron, name)
        if job.key in self._made:
            raise Conflict(f'job "{name}" already exists in namespace {cron.namespace}')
        self._made[job.key] = Made(cron.key, Workload(job, 1))

    def _look(self, cron: Resource, now: datetime) -> float | None:
        spec = cron.spec
        since = self._since.setdefault(cron.key, now)
        if (since - now).total_seconds() > LONGEST_WAIT_S:  # the clock was wrong, and was set back
            since = self._since[cron.key] = now
        zone = schedule.zone(spec.get("timeZone"))
        self._forget(cron)
        if spec.get("suspend"):
            return None
        within = spec.get("startingDeadlineSeconds")
        limit = None if within is None else timedelta(seconds=within)
        due = schedule.latest(spec["schedule"], zone, since, now, limit)
        if due is not None and self._may_begin(cron):
            job = _job(cron, f"{cron.name}-{int(due.timestamp()) // 60}")
            self._made[job.key] = Made(cron.key, Workload(job, 1))
            self._since[cron.key] = self._last[cron.key] = due
            self._report(f"cronjob {cron.name} in {cron.namespace} starts job {job.name}")
        following = next(schedule.starts(spec["schedule"], zone, now), None)
        wait_s = LONGEST_WAIT_S if following is None else (following - now).total_seconds()
        return min(max(wait_s, 0.0), LONGEST_WAIT_S)

    def _may_begin(self, cron: Resource) -> bool:
        active, policy = self.active(cron.key), cron.spec.get("concurrencyPolicy", "Allow")
        if policy == "Replace":
            for key in active:
                del self._made[key]
        return not (policy == "Forbid" and active)

    def _forget(self, cron: Resource) -> None:
        """Keep only so many that have ended as the CronJob says, and as long as their Job says."""
        for key in self._of(cron.key):
            run = self._runs().get(key)
            if run is not None and run.shown_s(self._made[key].workload.resource.spec) == 0:
                del self._made[key]
        limits = (
            ("Succeeded", cron.spec.get("successfulJobsHistoryLimit", SUCCEEDED_KEPT)),
            ("Failed", cron.spec.get("failedJobsHistoryLimit", FAILED_KEPT)),
        )
        for state, limit in limits:
            ended = [key for key in self._of(cron.key) if self._state(key) == state]
            ended.sort(key=lambda key: self._runs()[key].ended_at or 0.0)
            for key in ended[: max(0, len(ended) - limit)]:
                del self._made[key]

    def _of(self, cron: Key) -> Iterable[Key]:
        return [key for key, made in self._made.items() if made.owner == cron]

    def _state(self, key: Key) -> str:
        run = self._runs().get(key)
        return "Pending" if run is None else run.state


def _job(cron: Resource, name: str) -> Resource:
    template: Json = cron.spec["jobTemplate"]
    written = template.get("metadata") or {}
    metadata = {key: written[key] for key in ("labels", "annotations") if key in written}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "name": name, "namespace": cron.namespace},
        "spec": template["spec"],
    }
    return Resource("batch/v1", "Job", cron.namespace, name, body, cron.source)
