"""What the accounts of a release may not do: the server refuses it, not only the Role leaves it out."""

from __future__ import annotations

import pytest
import yaml

from delinkcious.chart import ROOT
from tests.integration.kubernetes.cluster import Cluster, Json
from tests.integration.kubernetes.releases import Release
from tests.integration.kubernetes.server import Server, moved

ACCOUNT = "delinkcious-canary"
CORE, APPS, ISTIO = "/api/v1", "/apis/apps/v1", "/apis/networking.istio.io/v1"
RBAC, POLICY = "/apis/rbac.authorization.k8s.io/v1", "/apis/security.istio.io/v1"
LEASES, ROLLOUTS = "/apis/coordination.k8s.io/v1", "/apis/delinkcious.io/v1alpha1"


@pytest.fixture
def installed(
    cluster: Cluster, server: Server, release: Release, namespace: str, spaces: dict[str, str]
) -> str:
    """The chart with a controller, and the policy beside it; its namespace."""
    names = ("users", "links", "social-graph", "link-checker", "web")
    values = {
        "canary": {"enabled": True},
        "gateway": {"namespace": spaces["istio-system"]},
        "services": {name: {"migrations": False} for name in names},
    }
    release.install(values)
    for folder in ("istio", "splits"):
        for file in sorted((ROOT / "mesh" / folder).glob("*.yaml")):
            if file.stem != "kustomization":
                for each in yaml.safe_load_all(file.read_text()):
                    server.apply(moved(each, spaces), "somebody")
    return namespace


def asked(cluster: Cluster, token: str, method: str, path: str, body: Json | None = None) -> int:
    """The status of the answer that the owner of a token gets."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with cluster.client(token) as client:
        answer = client.request(method, path, json=body, headers={"Content-Type": kind})
        return int(answer.status_code)


FORBIDDEN: list[tuple[str, str, Json | None]] = [
    ("GET", f"{CORE}/namespaces/NS/secrets", None),
    ("GET", f"{CORE}/namespaces/NS/configmaps", None),
    ("POST", f"{CORE}/namespaces/NS/pods", {"metadata": {"name": "x"}}),
    ("DELETE", f"{CORE}/namespaces/NS/pods/x", None),
    ("POST", f"{CORE}/namespaces/NS/pods/x/exec", None),
    ("DELETE", f"{APPS}/namespaces/NS/deployments/links-v1", None),
    ("PUT", f"{APPS}/namespaces/NS/deployments/links-v1", {}),
    ("GET", f"{ISTIO}/namespaces/NS/virtualservices", None),
    ("POST", f"{ISTIO}/namespaces/NS/virtualservices", {"metadata": {"name": "x"}}),
    ("PUT", f"{ISTIO}/namespaces/NS/virtualservices/links-routes", {}),
    ("DELETE", f"{ISTIO}/namespaces/NS/virtualservices/links-routes", None),
    ("PATCH", f"{ISTIO}/namespaces/NS/destinationrules/links", {"spec": {}}),
    ("PATCH", f"{ISTIO}/namespaces/NS/gateways/edge", {"spec": {}}),
    ("PATCH", f"{POLICY}/namespaces/NS/authorizationpolicies/deny-by-default", {"spec": {}}),
    ("DELETE", f"{POLICY}/namespaces/NS/authorizationpolicies/deny-by-default", None),
    ("PATCH", f"{ROLLOUTS}/namespaces/NS/rollouts/links", {"spec": {}}),
    ("PUT", f"{LEASES}/namespaces/NS/leases/somebody", {"metadata": {"name": "somebody"}}),
    ("DELETE", f"{LEASES}/namespaces/NS/leases/{ACCOUNT}", None),
    ("PATCH", f"{RBAC}/namespaces/NS/roles/{ACCOUNT}", {"rules": []}),
    ("POST", f"{CORE}/namespaces/NS/serviceaccounts/web/token", {"spec": {}}),
    ("GET", f"{APPS}/namespaces/default/deployments", None),
    ("GET", f"{CORE}/namespaces", None),
    ("GET", f"{CORE}/nodes", None),
]


def test_the_canarys_account_is_refused_whatever_it_has_no_need_of(cluster: Cluster, installed: str) -> None:
    token = cluster.token(installed, ACCOUNT)
    answers = [
        (method, path, asked(cluster, token, method, path.replace("NS", installed), body))
        for method, path, body in FORBIDDEN
    ]
    assert [each for each in answers if each[2] != 403] == []
    # And it is no account that may do nothing: what it needs, it may.
    links = f"{ISTIO}/namespaces/{installed}/virtualservices/links-routes"
    assert asked(cluster, token, "GET", links) == 200
    assert asked(cluster, token, "PATCH", links, {"metadata": {"labels": {"a": "b"}}}) == 200


def test_the_accounts_of_services_may_ask_the_server_for_nothing(cluster: Cluster, installed: str) -> None:
    accounts = cluster.get(f"{CORE}/namespaces/{installed}/serviceaccounts")["items"]
    names = {each["metadata"]["name"] for each in accounts} - {"default", ACCOUNT}
    assert {"users", "links", "news", "web", "link-checker", "social-graph"} <= names
    for name in sorted(names):
        token = cluster.token(installed, name)
        for path in (
            f"{CORE}/namespaces/NS/secrets",
            f"{CORE}/namespaces/NS/pods",
            f"{APPS}/namespaces/NS/deployments",
        ):
            assert asked(cluster, token, "GET", path.replace("NS", installed)) == 403, (name, path)
