"""The outbound side as an application meets it: an ordinary HTTP proxy."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.mesh.translate.conftest import CLIENT, NAKED, REVIEWS, STRANGER
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import REGISTRY_ONLY

PODS = [CLIENT, STRANGER, NAKED, *REVIEWS]


@pytest.mark.parametrize(
    "host", ["reviews", "reviews:80", "reviews.default", "reviews.default.svc.cluster.local.", "REVIEWS"]
)
def test_every_name_of_a_service_leads_to_it(lab: Lab, host: str) -> None:
    lab.apply("")
    answer = lab.get("client", f"http://{host}/a//b%2Fc?x=1&y=%20")
    assert answer.status == 200
    assert answer.echo["path"] == "/a//b%2Fc?x=1&y=%20"
    assert answer.echo["headers"]["host"] == host


def test_a_bare_name_means_the_clients_own_namespace(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY)
    assert lab.get("stranger", "http://reviews/").status == 502
    assert lab.get("stranger", "http://reviews.default/").status == 200


def test_a_host_in_origin_form_is_routed_too(lab: Lab) -> None:
    lab.apply("")
    assert lab.get("client", "/x", headers={"Host": "reviews"}).status == 200


def test_the_peer_is_told_who_asks(lab: Lab) -> None:
    lab.apply("")
    headers = lab.get("client", "http://reviews/", headers={"x-forwarded-client-cert": "forged"}).echo[
        "headers"
    ]
    assert headers["x-forwarded-client-cert"].endswith("URI=spiffe://cluster.local/ns/default/sa/client")
    assert "forged" not in headers["x-forwarded-client-cert"]
    assert headers["x-envoy-attempt-count"] == "1"


def test_a_client_cannot_set_envoys_own_switches(lab: Lab) -> None:
    lab.apply("")
    sent = {"x-envoy-upstream-rq-timeout-ms": "1", "x-sleep": "0.05"}
    assert lab.get("client", "http://reviews/", headers=sent).status == 200


def test_an_unknown_host_is_passed_on(lab: Lab) -> None:
    lab.apply("")
    address = lab.proxy("naked").ip
    assert lab.get("client", f"http://{address}:8080/").pod == "naked"
    assert _tunnel(lab, address, 8080)["pod"] == "naked"


def test_an_unknown_host_is_refused_where_only_the_registry_counts(lab: Lab) -> None:
    lab.apply(REGISTRY_ONLY)
    assert lab.get("client", f"http://{lab.proxy('naked').ip}:8080/").status == 502
    with pytest.raises(OSError, match="502"):
        _tunnel(lab, lab.proxy("naked").ip, 8080)


def test_a_tcp_port_is_reached_by_connect(lab: Lab) -> None:
    lab.apply("")
    assert _tunnel(lab, "reviews", 9000)["headers"].get("x-request-id") is None


def test_http_inside_a_tunnel_is_routed_as_http(lab: Lab) -> None:
    lab.apply("")
    assert "x-request-id" in _tunnel(lab, "reviews", 80)["headers"]


def test_a_service_without_pods_is_unavailable(lab: Lab) -> None:
    lab.apply("")
    answer = lab.get("client", "http://empty/")
    assert (answer.status, answer.body) == (503, "no healthy upstream")


def test_a_pod_without_sidecar_is_spoken_to_in_plain_text(lab: Lab) -> None:
    lab.apply("")
    assert lab.get("client", "http://naked/").pod == "naked"


def _tunnel(lab: Lab, host: str, port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection(*lab.proxy("client").egress, timeout=20)
    try:
        connection.set_tunnel(host, port)
        connection.request("GET", "/", headers={"Host": host})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()
