"""What is refused at the API server's door."""

from __future__ import annotations

from typing import Any

from mesh.local.kubernetes import reading
from mesh.local.kubernetes.admission import reviewed
from mesh.local.model import Json


def virtual_service(host: str, **more: object) -> Json:
    route = {"destination": {"host": host}, **more}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop", "uid": "1"},
        "spec": {"hosts": ["web"], "http": [{"route": [route]}]},
    }


def service(name: str, **spec: object) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"ports": [{"port": 80, "name": "http"}], **spec},
    }


def asked(body: Json, *others: Json) -> dict[str, Any]:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "42", "object": body},
    }
    answer = reviewed(review, [reading.resource(one) for one in others])
    assert answer["response"]["uid"] == "42"
    found: dict[str, Any] = answer["response"]
    return found


def test_policy_that_is_right_is_let_in_without_a_word() -> None:
    found = asked(virtual_service("web"), service("web", selector={"app": "web"}))
    assert found["allowed"]
    assert found["warnings"] == []


def test_policy_that_is_wrong_by_itself_is_refused_with_the_field() -> None:
    found = asked(virtual_service("web", weight=-5), service("web"))
    assert not found["allowed"]
    assert "weight" in found["status"]["message"]


def test_what_only_others_make_wrong_is_a_warning() -> None:
    found = asked(virtual_service("nowhere"), service("web"))
    assert found["allowed"]
    assert any('unknown host "nowhere"' in one for one in found["warnings"])


def test_an_object_takes_the_place_of_the_one_before() -> None:
    found = asked(virtual_service("web"), service("web"), virtual_service("nowhere"))
    assert not [one for one in found["warnings"] if "nowhere" in one or "twice" in one]


def test_what_the_mesh_leaves_out_of_another_kind_is_let_in_with_a_warning() -> None:
    found = asked(service("db", externalIPs=["192.0.2.1"]))
    assert found["allowed"]
    assert any("externalIPs" in one for one in found["warnings"])
