"""The platform against a real API server: what it reads, what it writes, and what it says when it may not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from lightkube import AsyncClient, KubeConfig

from mesh.canary.kubernetes.platform import KubernetesPlatform
from mesh.canary.platform import Away, Conflict, NotFound, PlatformError, Pod
from mesh.canary.runs import traffic
from mesh.canary.runs.fields import Header
from mesh.canary.runs.starting import Changes, track
from mesh.canary.runs.traffic import Traffic, Ways
from tests.integration.kubernetes.cluster import Cluster, Refused, free_port
from tests.integration.kubernetes.kubelet import Kubelet
from tests.integration.mesh.canary.kubernetes.service import Service

pytestmark = pytest.mark.anyio

STABLE, CANARY = {"app": "links", "version": "v1"}, {"app": "links", "version": "v2"}
HEADER = Header(name="x-canary", value="yes")


async def once(
    platform: KubernetesPlatform, labels: dict[str, str], reached: Callable[[list[Pod]], bool]
) -> list[Pod]:
    """The pods, when it has come to that."""
    with anyio.fail_after(60):
        while True:
            if reached(found := await platform.pods(labels)):
                return found
            await anyio.sleep(0.1)


async def pods(platform: KubernetesPlatform, labels: dict[str, str], ready: int) -> list[Pod]:
    """Once there are so many, and all are ready."""
    return await once(platform, labels, lambda found: [pod.ready for pod in found] == [True] * ready)


async def canary(platform: KubernetesPlatform, **changes: Any) -> dict[str, Any]:
    [stable] = await platform.deployments(STABLE)
    made = track(stable.body, "links-v2-rollout", "links", "v2", 1, Changes(("env.RANK=two",)))
    made["spec"]["template"]["metadata"].update(changes)
    return made


def managers(body: dict[str, Any]) -> dict[str, Any]:
    return {one["manager"]: one["fieldsV1"] for one in body["metadata"]["managedFields"]}


async def test_a_weight_is_written_and_nothing_beside_it(
    service: Service, platform: KubernetesPlatform
) -> None:
    before = await platform.virtual_service("links-routes")
    body = traffic.write(before.body, "v1", "v2", Traffic(5), Ways())
    written = await platform.write_virtual_service(body, before.version)
    assert service.weights() == (95, 5)
    assert written.version != before.version
    after = service.split()
    assert after["spec"]["http"][0]["timeout"] == "5s"
    # The list of routes is one field to the server: it knows no part of it.
    assert managers(after)["delinkcious-canary"] == {"f:spec": {"f:http": {}}}


async def test_the_route_of_a_header_comes_and_goes(service: Service, platform: KubernetesPlatform) -> None:
    plain = await platform.virtual_service("links-routes")
    tried = traffic.write(plain.body, "v1", "v2", Traffic(0, header=True), Ways(HEADER))
    stored = await platform.write_virtual_service(tried, plain.version)
    assert traffic.read(stored.body, "v1", "v2") == Traffic(0, header=True)
    back = traffic.write(stored.body, "v1", "v2", Traffic(3), Ways(HEADER))
    await platform.write_virtual_service(back, stored.version)
    assert len(service.split()["spec"]["http"]) == 1
    assert service.weights() == (97, 3)


async def test_what_somebody_else_has_changed_is_a_conflict(
    service: Service, platform: KubernetesPlatform
) -> None:
    read = await platform.virtual_service("links-routes")
    mine = traffic.write(read.body, "v1", "v2", Traffic(5), Ways())
    service.cluster.merge(f"{service.routes}/links-routes", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Conflict, match="changed by somebody else"):
        await platform.write_virtual_service(mine, read.version)
    assert service.weights() == (100, 0)


async def test_a_change_between_its_look_and_its_write_is_a_conflict_too(
    service: Service, client: AsyncClient, namespace: str
) -> None:
    """`allowed` is asked last: there somebody is faster."""

    def faster() -> None:
        service.cluster.merge(f"{service.routes}/links-routes", {"metadata": {"labels": {"a": "b"}}})

    platform = KubernetesPlatform(client, namespace, in_force_s=0.0, allowed=faster)
    read = await platform.virtual_service("links-routes")
    mine = traffic.write(read.body, "v1", "v2", Traffic(5), Ways())
    with pytest.raises(Conflict, match="changed by somebody else"):
        await platform.write_virtual_service(mine, read.version)
    assert service.weights() == (100, 0)


async def test_what_the_kind_does_not_allow_is_no_conflict(
    service: Service, platform: KubernetesPlatform
) -> None:
    read = await platform.virtual_service("links-routes")
    wrong = copy.deepcopy(read.body)
    wrong["spec"]["http"][0]["route"][0]["weight"] = "many"
    with pytest.raises(PlatformError, match="refuses to patch virtualservices links-routes") as caught:
        await platform.write_virtual_service(wrong, read.version)
    assert not isinstance(caught.value, Conflict)


async def test_a_canary_is_made_of_stable_scaled_and_one_of_its_pods_replaced(
    service: Service, platform: KubernetesPlatform
) -> None:
    await platform.apply_deployment(await canary(platform))
    made = service.cluster.get(f"{service.deployments}/links-v2-rollout")
    assert "delinkcious-canary" in managers(made)
    assert made["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "RANK", "value": "two"}]
    # Nothing says that the chart's release or another program owns it.
    assert "app.kubernetes.io/instance" not in made["metadata"]["labels"]
    assert "meta.helm.sh/release-name" not in made["metadata"].get("annotations", {})
    [pod] = await pods(platform, CANARY, ready=1)
    assert (pod.deployment, pod.restarts, pod.trouble) == ("links-v2-rollout", 0, "")
    assert pod.ready_at is not None

    await platform.scale("links-v2-rollout", 2)
    two = {pod.name for pod in await pods(platform, CANARY, ready=2)}
    await platform.replace_pod(pod.name)
    assert pod.name in two
    await once(platform, CANARY, lambda found: pod.name not in [one.name for one in found])
    await pods(platform, CANARY, ready=2)
    await platform.replace_pod(pod.name)  # which is no more

    await platform.scale("links-v2-rollout", 0)
    assert await pods(platform, CANARY, ready=0) == []
    assert [one.deployment for one in await pods(platform, STABLE, ready=3)] == ["links-v1"] * 3


async def test_a_pod_that_does_not_start_says_why(service: Service, platform: KubernetesPlatform) -> None:
    await platform.apply_deployment(await canary(platform, annotations={Kubelet.BROKEN: ""}))
    found = await once(platform, CANARY, lambda found: any(pod.trouble for pod in found))
    assert not found[0].ready
    assert found[0].restarts == 3
    assert found[0].trouble == "links: CrashLoopBackOff, no such module"


async def test_a_pod_that_no_service_has_as_an_endpoint_is_not_ready(
    cluster: Cluster, namespace: str, platform: KubernetesPlatform
) -> None:
    alone = Service(cluster, namespace)
    cluster.post(alone.deployments, alone.deployment("links-v1", "v1", 1))
    found = await once(platform, STABLE, lambda found: any("no Service" in pod.trouble for pod in found))
    assert not found[0].ready


async def test_a_disruption_budget_makes_an_eviction_wait(
    service: Service, platform: KubernetesPlatform, namespace: str
) -> None:
    path = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": 3, "selector": {"matchLabels": STABLE}}
    service.cluster.post(path, {"metadata": {"name": "links"}, "spec": spec})
    [first, *_] = await pods(platform, STABLE, ready=3)
    with pytest.raises(Away, match="disruption budget"):
        await platform.replace_pod(first.name)


async def test_an_autoscaler_of_a_deployment_is_found(
    service: Service, platform: KubernetesPlatform, namespace: str
) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "links-v1"}
    spec = {"scaleTargetRef": target, "maxReplicas": 5}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    service.cluster.post(path, {"metadata": {"name": "by-load"}, "spec": spec})
    assert await platform.autoscaler("links-v1") == "by-load"
    assert await platform.autoscaler("links-v2-rollout") == ""


async def test_failures_are_sentences(
    cluster: Cluster, service: Service, platform: KubernetesPlatform
) -> None:
    with pytest.raises(PlatformError, match="there is no virtualservices other in namespace test-"):
        await platform.virtual_service("other")
    with pytest.raises(NotFound, match="there is no deployments/scale other"):
        await platform.scale("other", 0)
    token = cluster.token(service.namespace, "default")
    file = cluster.kubeconfig.with_name("nobody.yaml")
    cluster.write_kubeconfig(file, token)
    async with AsyncClient(KubeConfig.from_file(file).get(), trust_env=False) as nobody:
        forbidden = KubernetesPlatform(nobody, service.namespace)
        with pytest.raises(PlatformError, match=r"forbids to list pods in namespace test-"):
            await forbidden.pods(STABLE)
        with pytest.raises(PlatformError, match=r"forbids to patch deployments/scale in namespace"):
            await forbidden.scale("links-v1", 0)
    cluster.url, right = f"https://127.0.0.1:{free_port()}", cluster.url
    try:
        cluster.write_kubeconfig(file, token)
    finally:
        cluster.url = right
    async with AsyncClient(KubeConfig.from_file(file).get(), trust_env=False) as nowhere:
        with pytest.raises(Away, match="does not answer"):
            await KubernetesPlatform(nowhere, "x").virtual_service("y")


def with_gate(**gate: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["spec"].update(gates=[{"name": "qa", "at": "step", **gate}])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda body: body["spec"].update(wieght=5), 'unknown field "spec.wieght"'),
        (lambda body: body["spec"].update(steps=[0]), "spec.steps"),
        (lambda body: body["spec"].update(gates=[{"type": "manual", "name": "qa"}]), "spec.gates"),
        (with_gate(type="webhook"), "url is missing: webhook needs it"),
        (with_gate(type="manual", url="http://x"), "url is for webhook only"),
        (with_gate(type="oracle"), "spec.gates[0].type"),
        (lambda body: body["spec"].pop("service"), "spec.service"),
        (lambda body: body.update(spec=None), "spec"),
    ],
)
def test_the_server_refuses_a_rollout_that_is_none(
    cluster: Cluster, namespace: str, change: Any, complaint: str
) -> None:
    service = Service(cluster, namespace)
    body = service.rollout()
    change(body)
    with pytest.raises(Refused) as caught:
        cluster.post(service.rollouts, body)
    assert complaint in str(caught.value).replace("\\", "")


def test_the_server_refuses_a_misspelt_weight(cluster: Cluster, namespace: str) -> None:
    service = Service(cluster, namespace)
    body = service.virtual_service()
    body["spec"]["http"][0]["route"][0]["wieght"] = 5
    with pytest.raises(Refused, match="wieght"):
        cluster.post(service.routes, body)
