"""An autoscaler starts pods when they are busy, and stands back when somebody scales by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh.local.runtime.mesh import Options
from tests.mesh.runtime.test_library import running, until

pytestmark = pytest.mark.anyio
# Busy for a fifth of the time, which is far above what it requests.
BUSY = """
import time
while True:
    end = time.process_time() + 0.01
    while time.process_time() < end: pass
    time.sleep(0.04)
"""
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: busy }}
spec:
  selector: {{ matchLabels: {{ app: busy }} }}
  template:
    metadata: {{ labels: {{ app: busy }}, annotations: {{ sidecar.istio.io/inject: 'false' }} }}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: app
          command: [python, -c, {json.dumps(BUSY)}]
          resources: {{ requests: {{ cpu: 10m }} }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{ name: busy }}
spec:
  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: busy }}
  minReplicas: 1
  maxReplicas: 2
  metrics:
    - type: Resource
      resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 50 }} }}
"""


async def test_busy_pods_become_more_until_somebody_scales(tmp_path: Path) -> None:
    key = ("Deployment", "default", "busy")
    async with running(tmp_path, MANIFEST, options=Options(scaling_period_s=0.2)) as mesh:
        await until(lambda: sum(pod.ready for pod in mesh.controller.pods.values()) == 2)
        [verdict] = mesh.autoscaler.verdicts.values()
        assert verdict.replicas == 2
        mesh.overrides.scale(mesh.desired.config, key, 1)
        mesh.controller.want(mesh.desired.config, mesh.overrides.entries)
        await until(lambda: len(mesh.controller.pods) == 1)
        await until(
            lambda: "`mesh scale` has the word" in next(iter(mesh.autoscaler.verdicts.values())).trouble
        )
        assert len(mesh.controller.pods) == 1
