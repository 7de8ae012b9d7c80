"""The Pod Security admission of Kubernetes itself, asked about every pod of the chart."""

from __future__ import annotations

from tests.chart.manifests import Json, Pod
from tests.integration.kubernetes.cluster import Cluster
from tests.integration.kubernetes.waiting import until

LABEL = "pod-security.kubernetes.io/enforce"
# Which only other objects give, that need not be there to judge a pod by itself.
OF_OTHERS = ("serviceAccountName", "priorityClassName", "nodeName")


def restrict(cluster: Cluster, namespace: str) -> None:
    """Returns when pods can be made there."""
    cluster.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {LABEL: "restricted"}}})
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    until(lambda: any(each["metadata"]["name"] == "default" for each in cluster.get(accounts)["items"]))


def of(pod: Pod, namespace: str) -> Json:
    """A pod as its template makes it."""
    spec = {name: value for name, value in pod.spec.items() if name not in OF_OTHERS}
    claims = pod.owner["spec"].get("volumeClaimTemplates") or [] if pod.kind == "StatefulSet" else []
    names = [each["metadata"]["name"] for each in claims]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    spec["volumes"] = [*(spec.get("volumes") or []), *volumes]
    # Istio's injection would put its own image there.
    spec["containers"] = [
        {**each, "image": "proxy:1"} if each.get("image") == "auto" else each for each in spec["containers"]
    ]
    metadata = {"name": "tried", "namespace": namespace, "labels": pod.labels, "annotations": pod.annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
