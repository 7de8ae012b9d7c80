"""`explain` on hosts outside, and on what a Sidecar leaves of the mesh."""

from __future__ import annotations

from mesh.local import resources
from mesh.local.explain import Explanation, explain
from mesh.local.explain.targets import INSIDE
from mesh.local.model import Config
from tests.unit.mesh.translate.world import PROXIES, known

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: default }
spec:
  hosts: [api.example.com]
  resolution: RESOLUTION
  ports: [{ number: 80, name: http, protocol: HTTP }]
---
"""
WORKLOAD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vm, namespace: default }
spec:
  hosts: [vm.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 203.0.113.1, serviceAccount: vm }, { address: 203.0.113.2 }]
---
"""
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec:
  egress: [{ hosts: ["./*.example.com"] }]
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
---
"""
DENIAL = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: second, namespace: default }
spec: { selector: { matchLabels: { version: v2 } }, action: DENY, rules: [{}] }
---
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: { name: each, namespace: default }
spec: { clusterIP: None, selector: { app: reviews }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: older, namespace: default }
spec: { type: ExternalName, externalName: reviews.default.svc.cluster.local }
---
"""


def _explained(text: str, url: str) -> Explanation:
    config = Config(resources.parse(text, "entries.yaml"))
    return explain(PROXIES["client"], config, known(config), {}, method="GET", url=url, headers={})


def test_a_host_that_dns_finds_is_its_own_endpoint() -> None:
    found = _explained(ENTRY.replace("RESOLUTION", "DNS"), "http://api.example.com/")
    assert (found.outcome, found.virtual_host) == ("forwarded", "api.example.com:80")
    (target,) = found.targets
    assert (target.cluster, target.pods, target.mtls) == (
        "outbound|80||api.example.com",
        ("api.example.com",),
        False,
    )


def test_without_resolution_the_request_says_where_to() -> None:
    (target,) = _explained(ENTRY.replace("RESOLUTION", "NONE"), "http://api.example.com/").targets
    assert target.verdict is not None
    assert target.verdict.reason == "sent to the address that the request names"


def test_an_address_inside_of_a_pod_is_refused_whoever_names_it() -> None:
    inside = ("127.3.128.5:8080", "[::ffff:127.3.128.5]:8080", "127.3.0.5:15000")
    for authority in inside:
        found = _explained("", f"http://{authority}/")
        assert (found.outcome, found.status, found.reason) == ("answered", 403, INSIDE), authority
    for authority in ("127.0.0.1:5432", "127.3.0.5:8080", "[::1]:15000"):
        assert _explained("", f"http://{authority}/").outcome == "passed on", authority
    entry = ENTRY.replace("RESOLUTION", "NONE\n  addresses: [127.3.128.5]")
    found = _explained(entry, "http://127.3.128.5/")
    assert (found.outcome, found.status, found.reason) == ("denied", 403, INSIDE)


def test_without_endpoints_nobody_is_there() -> None:
    found = _explained(ENTRY.replace("RESOLUTION", "STATIC"), "http://api.example.com/")
    assert (found.outcome, found.status) == ("failed", 503)


def test_what_an_endpoint_that_is_no_pod_says_is_not_known() -> None:
    (target,) = _explained(WORKLOAD, "http://vm.example.com/").targets
    assert target.pods == ("203.0.113.1", "203.0.113.2")
    assert target.mtls
    assert target.verdict is not None
    assert "no pod of this mesh" in target.verdict.reason


def test_what_a_sidecar_does_not_ask_for_is_in_no_registry() -> None:
    assert _explained(SIDECAR + WORKLOAD, "http://vm.example.com/").outcome == "forwarded"
    found = _explained(SIDECAR + WORKLOAD, "http://reviews/")
    assert (found.outcome, found.status) == ("answered", 502)


def test_a_pod_of_a_headless_service_and_another_name_of_a_service_are_found() -> None:
    one = _explained(SERVICES, "http://reviews-v1.each:8080/")
    assert one.virtual_host == "reviews-v1.each.default.svc.cluster.local:8080"
    assert [target.cluster for target in one.targets] == ["outbound|8080||each.default.svc.cluster.local"]
    other = _explained(SERVICES, "http://older/")
    assert [target.cluster for target in other.targets] == ["outbound|80||reviews.default.svc.cluster.local"]


def test_who_names_a_pod_of_a_headless_service_gets_that_one_and_its_verdict() -> None:
    every, second = (
        _explained(SERVICES + DENIAL, f"http://{host}:8080/") for host in ("each", "reviews-v2.each")
    )
    assert [target.pods for target in every.targets] == [("reviews-v1", "reviews-v2")]
    assert [target.pods for target in second.targets] == [("reviews-v2",)]
    assert (second.outcome, second.status) == ("denied", 403)


def test_a_connection_to_a_pod_of_a_headless_service_reaches_that_one() -> None:
    connections = SERVICES.replace("name: http, port: 8080", "name: tcp, port: 8080")
    (target,) = _explained(connections, "tcp://reviews-v2.each:8080").targets
    assert target.pods == ("reviews-v2",)


def test_behind_a_gateway_nothing_is_foretold() -> None:
    gateway = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: out, namespace: other }
spec:
  selector: { app: far }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
"""
    for text, said in (("", "the pod has no sidecar"), (gateway, "a gateway")):
        verdict = _explained(text, "http://far.other/").targets[0].verdict
        assert verdict is not None and verdict.allowed
        assert verdict.reason.startswith(said)
