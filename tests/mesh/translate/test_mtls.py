"""PeerAuthentication: what the inbound side takes, and what a client's sidecar makes of it."""

from __future__ import annotations

import http.client

import pytest

from tests.mesh.translate.conftest import CLIENT, NAKED, REVIEWS
from tests.mesh.translate.lab import Lab
from tests.mesh.translate.rules import STRICT

PODS = [CLIENT, NAKED, *REVIEWS]

REFUSED = (ConnectionError, http.client.BadStatusLine)


def test_permissive_takes_both(lab: Lab) -> None:
    lab.apply("")
    assert "x-forwarded-client-cert" not in lab.direct("reviews-v1", "/").echo["headers"]
    assert "x-forwarded-client-cert" in lab.get("client", "http://reviews/").echo["headers"]


def test_strict_refuses_plain_text(lab: Lab) -> None:
    lab.apply(STRICT)
    for port in (8080, 9000):
        with pytest.raises(REFUSED):
            lab.direct("reviews-v1", "/", port)
    assert lab.get("client", "http://reviews/").status == 200


def test_a_port_may_be_excepted(lab: Lab) -> None:
    lab.apply(
        STRICT
        + """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: reviews, namespace: default }
spec:
  selector: { matchLabels: { app: reviews } }
  portLevelMtls: { 9000: { mode: PERMISSIVE } }
"""
    )
    assert lab.direct("reviews-v1", "/", 9000).status == 200
    with pytest.raises(REFUSED):
        lab.direct("reviews-v1", "/", 8080)


def test_a_rule_that_turns_tls_off_meets_strict_in_vain(lab: Lab) -> None:
    lab.apply(STRICT + _tls("DISABLE"))
    assert lab.get("client", "http://reviews/").status == 503


def test_where_mutual_tls_is_off_clients_speak_plain_text(lab: Lab) -> None:
    lab.apply(STRICT.replace("STRICT", "DISABLE"))
    assert "x-forwarded-client-cert" not in lab.get("client", "http://reviews/").echo["headers"]


def test_a_server_with_another_identity_is_not_spoken_to(lab: Lab) -> None:
    lab.apply(_tls("ISTIO_MUTUAL, subjectAltNames: [spiffe://cluster.local/ns/default/sa/somebody]"))
    assert lab.get("client", "http://reviews/").status == 503


def test_a_pod_without_sidecar_cannot_be_forced_to_tls(lab: Lab) -> None:
    lab.apply(_tls("ISTIO_MUTUAL").replace("host: reviews", "host: naked"))
    assert lab.get("client", "http://naked/").status == 503


def _tls(mode: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: tls, namespace: default }}
spec:
  host: reviews
  trafficPolicy: {{ tls: {{ mode: {mode} }} }}
"""
