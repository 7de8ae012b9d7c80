"""Which pods of a Job run at once, while others of it end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mesh.local.model import Resource, Source
from mesh.local.runtime.job_pods import JobPods
from mesh.local.runtime.workload import INDEX, Workload


class Job:
    """An Indexed Job of two shares, one at a time, whose pods end when the test says so."""

    def __init__(self) -> None:
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
        spec = {"completions": 2, "completionMode": "Indexed", "template": template}
        body = {"metadata": {"name": "work"}, "spec": spec}
        self.workload = Workload(Resource("batch/v1", "Job", "default", "work", body, Source("a.yaml", 1)), 1)
        self.pods: list[Any] = []
        running: Any = SimpleNamespace(stop=lambda pod: None)
        self.job_pods = JobPods(
            running, lambda _: list(self.pods), self._start, self.pods.remove, lambda: None, lambda _: None
        )

    def _start(self, workload: Workload, ordinal: int, index: int | None = None) -> None:
        key, annotations = f"default/work-{ordinal}", {INDEX: str(index)}
        manifest = SimpleNamespace(hash=workload.hash, annotations=annotations, workload="work", key=key)
        self.pods.append(SimpleNamespace(manifest=manifest, phase="Running", stopping=False, over=False))

    @property
    def indexes(self) -> list[str]:
        self.job_pods.reconcile(self.workload)
        return [pod.manifest.annotations[INDEX] for pod in self.pods if not pod.over]


def test_a_share_is_given_out_once_though_its_sidecar_still_ends() -> None:
    job = Job()
    assert job.indexes == ["0"]
    first = job.pods[0]
    first.phase = "Succeeded"
    assert job.indexes == ["0"]
    assert job.pods == [first]
    first.over = True
    job.job_pods.ended(job.workload.key, first, 0)
    assert job.indexes == ["1"]
