"""What plays the kubelet of the cluster's one node."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.integration.kubernetes.cluster import Cluster, Json, Refused

NODE = "node-1"


class Kubelet(threading.Thread):
    """Binds Pods to the node and says that they run, or that they have done what a Job wants.

    One whose template asks for it fails instead.
    """

    BROKEN, ADDRESS = "test/broken", "test/address"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self._cluster, self._ended, self._addresses = cluster, threading.Event(), 0

    def run(self) -> None:
        while not self._ended.wait(0.2):
            with contextlib.suppress(Refused, httpx2.TransportError):
                for pod in self._cluster.get("/api/v1/pods")["items"]:
                    with contextlib.suppress(Refused):
                        self._tend(pod)

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _tend(self, pod: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            self._cluster.call("DELETE", f"{path}?gracePeriodSeconds=0")
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            self._cluster.post(f"{path}/binding", {"metadata": {"name": metadata["name"]}, "target": target})
        elif pod["status"].get("phase") == "Pending" and not pod["status"].get("containerStatuses"):
            self._cluster.merge(f"{path}/status", {"status": self._status(pod)})

    def _status(self, pod: Json) -> Json:
        self._addresses += 1
        address = f"10.99.{self._addresses // 250}.{1 + self._addresses % 250}"
        annotations = pod["metadata"].get("annotations") or {}
        address, broken = annotations.get(self.ADDRESS, address), self.BROKEN in annotations
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if pod["spec"]["restartPolicy"] != "Always" and not broken:
            return {"phase": "Succeeded", "podIP": address, "podIPs": [{"ip": address}]}
        conditions = [
            {"type": kind, "status": "False" if broken else "True", "lastTransitionTime": now}
            for kind in ("Ready", "ContainersReady")
        ]
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
        last = {"terminated": {"exitCode": 1, "message": "no such module", "containerID": "x://1"}}
        containers = [
            {
                "name": one["name"],
                "image": one["image"],
                "imageID": "",
                "ready": not broken,
                "restartCount": 3 if broken else 0,
                "state": {"waiting": waiting} if broken else {"running": {"startedAt": now}},
                "lastState": last if broken else {},
            }
            for one in pod["spec"]["containers"]
        ]
        return {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": conditions,
            "containerStatuses": containers,
        }


@contextlib.contextmanager
def running(folder: Path, programs: dict[str, str]) -> Iterator[Cluster]:
    """A control plane and its node, until it is left."""
    cluster = Cluster(folder, programs)
    kubelet = Kubelet(cluster)
    try:
        cluster.start()
        cluster.post("/api/v1/nodes", {"metadata": {"name": NODE}})
        kubelet.start()
        yield cluster
    finally:
        if kubelet.is_alive():
            kubelet.stop()
        cluster.stop()
