"""VirtualService `tcp` and `tls` on sidecars."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mesh.translate.authority import Authority
from tests.mesh.translate.conftest import CLIENT, STRANGER
from tests.mesh.translate.lab import Lab, Pod, service
from tests.mesh.translate.plain_server import certified, serving, tunnel, word_of
from tests.mesh.translate.rules import STORE_SUBSETS, TO_STORE, policy
from tests.mesh.translate.telemetry import METRICS, total, until

pytestmark = pytest.mark.slow  # the cases of virtual-service-tcp and -tls try most of it in the gate

PODS = [
    CLIENT,
    STRANGER,
    Pod("store-v1", {"app": "store", "version": "v1"}, ports=(9000, 9443)),
    Pod("store-v2", {"app": "store", "version": "v2"}, ports=(9000, 9443)),
    Pod("naked", {"app": "naked"}, ports=(9000,), sidecar=False),
]
SERVED = [service("store", tcp="9000", tls="443:9443"), service("naked", tcp="9000")]
STORE = "store.default.svc.cluster.local"


@pytest.fixture(scope="module", autouse=True)
def _words(running: Lab, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder: Path = tmp_path_factory.mktemp("store")
    tls = certified(authority, folder, "a.example.test", "b.example.test", STORE)
    with contextlib.ExitStack() as stack:
        for pod in ("store-v1", "store-v2"):
            stack.enter_context(serving(running.vacate(pod, 9000), pod))
            stack.enter_context(serving(running.vacate(pod, 9443), pod, tls))
        yield


def _rules(spec: str, hosts: str = "store", name: str = "rules") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: {name}, namespace: default }}
spec:
  hosts: [{hosts}]
  {spec}
---
"""


def _named() -> str:
    """A rule for the one name that `_hello` then asks for."""
    only = f"tls: [{{ match: [{{ sniHosts: [a.example.test] }}], {TO_STORE % ('v1', 443)} }}]"
    return STORE_SUBSETS + _rules(only, "store, a.example.test")


def _ask(lab: Lab, client: str = "client") -> str:
    return word_of(tunnel(lab.proxy(client).egress, f"{STORE}:9000"))


def _hello(lab: Lab, authority: Authority, name: str) -> str:
    trusting = ssl.create_default_context(cadata=authority.root)
    return word_of(tunnel(lab.proxy("client").egress, f"{STORE}:443"), trusting, name)


def test_connections_obey_the_tcp_rule_of_their_client_and_port(lab: Lab) -> None:
    by_namespace = f"{{ match: [{{ sourceNamespace: other, port: 9000 }}], {TO_STORE % ('v1', 9000)} }}"
    lab.apply(STORE_SUBSETS + _rules(f"tcp: [{by_namespace}, {{ {TO_STORE % ('v2', 9000)} }}]"))
    assert {_ask(lab) for _ in range(4)} == {"store-v2"}
    assert {_ask(lab, "stranger") for _ in range(4)} == {"store-v1"}


def test_weights_share_connections_out(lab: Lab) -> None:
    halves = "route: [{ destination: { host: store, subset: v1 }, weight: 1 }, " + (
        "{ destination: { host: store, subset: v2 }, weight: 1 }]"
    )
    lab.apply(STORE_SUBSETS + _rules(f"tcp: [{{ match: [{{ port: 9000 }}], {halves} }}]"))
    # two ports, so the listener's port is meant
    assert {_ask(lab) for _ in range(40)} == {"store-v1", "store-v2"}


def test_a_rule_for_other_clients_leaves_the_service_as_it_is(lab: Lab) -> None:
    lab.apply(
        STORE_SUBSETS
        + _rules(f"tcp: [{{ match: [{{ sourceLabels: {{ app: x }} }}], {TO_STORE % ('no', 1)} }}]")
    )
    assert _ask(lab).startswith("store-")


def test_a_tls_port_is_routed_by_the_name_that_is_asked_for(lab: Lab, authority: Authority) -> None:
    first = f"{{ match: [{{ sniHosts: [a.example.test] }}], {TO_STORE % ('v1', 443)} }}"
    second = f"{{ match: [{{ sniHosts: ['*.example.test'] }}], {TO_STORE % ('v2', 443)} }}"
    hosts = "store, '*.example.test'"
    lab.apply(STORE_SUBSETS + _rules(f"tls: [{first}, {second}]", hosts))
    assert {_hello(lab, authority, "a.example.test") for _ in range(4)} == {"store-v1"}
    assert {_hello(lab, authority, "b.example.test") for _ in range(4)} == {"store-v2"}
    with pytest.raises((ssl.SSLError, OSError)):
        _hello(lab, authority, STORE)


def test_a_tls_port_without_rules_is_passed_on(lab: Lab, authority: Authority) -> None:
    lab.apply(STORE_SUBSETS)
    assert _hello(lab, authority, STORE).startswith("store-")
    lab.apply(STORE_SUBSETS + policy("none", "{}"))
    with pytest.raises((ssl.SSLError, OSError)):
        _hello(lab, authority, STORE)


def test_connections_by_name_are_logged_with_their_destination_and_counted_once(
    lab: Lab, authority: Authority
) -> None:
    lab.apply(METRICS + _named())
    assert _hello(lab, authority, "a.example.test") == "store-v1"
    lab.wait_for_log("client", text=f"outbound|443|v1|{STORE}")
    name = "istio_tcp_connections_closed_total"
    until(lambda: total(lab, "client", name) >= 1)
    assert total(lab, "client", name, destination_service=STORE, destination_workload="store-v1") == 1
    assert total(lab, "client", name) == 1


def test_a_line_before_everything_says_who_connects_where_a_rule_asks_for_it(lab: Lab) -> None:
    address = lab.vacate("naked", 9000)
    rule = STORE_SUBSETS.replace("name: store", "name: naked").replace("host: store", "host: naked")
    lab.apply(rule.split("  subsets")[0] + "  trafficPolicy: { proxyProtocol: { version: V1 } }")
    said = b""
    with (
        socket.create_server(address) as listening,
        tunnel(lab.proxy("client").egress, "naked:9000") as connection,
    ):
        connection.sendall(b"hello")
        taken, _ = listening.accept()
        with taken:
            while not said.endswith(b"hello"):
                said += taken.recv(100)
    assert said.startswith(b"PROXY TCP4 127.")
    assert said.endswith(b"\r\nhello")
