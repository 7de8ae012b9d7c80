"""A service on the cluster, as a chart and the splits would make it."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.waiting import until

Json = dict[str, Any]

# A run that takes seconds.
QUICK = {
    "slo": {"latencyEdgesMs": [100, 250]},
    "analysis": {"scrapeIntervalS": 0.2, "warmUpS": 0, "requestDispersion": 1},
    "steps": [10, 50],
    "timeouts": {"drainS": 1},
}
CHANGE = {"id": "first", "by": "ada", "set": ["env.RANK=two"]}


class Service:
    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self._core = f"/api/v1/namespaces/{namespace}"
        self.deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.routes = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices"
        self.rollouts = f"/apis/delinkcious.io/v1alpha1/namespaces/{namespace}/rollouts"

    def create(self) -> None:
        self.cluster.post(self.routes, self.virtual_service())
        self.cluster.post(self.deployments, self.deployment("links-v1", "v1", 3))
        ports = [{"port": 80, "targetPort": 8080}]
        spec = {"selector": {"app": "links"}, "ports": ports}
        self.cluster.post(f"{self._core}/services", {"metadata": {"name": "links"}, "spec": spec})

    def virtual_service(self) -> Json:
        route = [
            {"destination": {"host": "links", "subset": subset}, "weight": weight}
            for subset, weight in (("v1", 100), ("v2", 0))
        ]
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "links-routes"},
            "spec": {"http": [{"name": "split", "route": route, "timeout": "5s"}]},
        }

    def deployment(self, name: str, version: str, replicas: int) -> Json:
        labels = {"app": "links", "version": version}
        container = {"name": "links", "image": "links:1", "env": [{"name": "RANK", "value": "one"}]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "labels": {**labels, "app.kubernetes.io/instance": "somebody"},
                "annotations": {"meta.helm.sh/release-name": "somebody"},
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }

    def rollout(self, **spec: Any) -> Json:
        return {
            "apiVersion": "delinkcious.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "links"},
            "spec": {"service": "links", **spec},
        }

    def annotate(self, name: str, request: Json) -> None:
        """Ask the object for something."""
        body = {"metadata": {"annotations": {f"delinkcious.io/{name}": json.dumps(request)}}}
        self.cluster.merge(f"{self.rollouts}/links", body)

    def status(self) -> Json:
        found: Json = self.cluster.get(f"{self.rollouts}/links").get("status") or {}
        return found

    def split(self) -> Json:
        return self.cluster.get(f"{self.routes}/links-routes")

    def weights(self) -> tuple[int, int]:
        first, second = (entry.get("weight") or 0 for entry in self.split()["spec"]["http"][-1]["route"])
        return first, second

    def pods(self, version: str) -> list[Json]:
        found = self.cluster.get(f"{self._core}/pods?labelSelector=app%3Dlinks,version%3D{version}")["items"]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def ready(self, version: str) -> int:
        """Pods that are endpoints of the Service."""
        names = {pod["metadata"]["name"] for pod in self.pods(version)}
        slices = self.cluster.get(f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices")
        return len(
            {
                endpoint["targetRef"]["name"]
                for each in slices["items"]
                for endpoint in each.get("endpoints") or []
                if endpoint["conditions"].get("ready") and endpoint["targetRef"]["name"] in names
            }
        )

    def replicas(self, deployment: str) -> int:
        return int(self.cluster.get(f"{self.deployments}/{deployment}")["spec"]["replicas"])


def asked(service: Service, **spec: Any) -> None:
    """A Rollout object that asks for a run."""
    service.cluster.post(service.rollouts, service.rollout(**{**QUICK, **spec}))
    service.annotate("start", CHANGE)


def ended(service: Service) -> Json:
    """The status of a run, when it has ended."""
    until(lambda: service.status().get("verdict") is not None, 150)
    return service.status()
