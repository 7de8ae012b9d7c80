"""The fence around the checker on Kubernetes agrees with the one inside of it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import yaml

from delinkcious import chart
from services.kit.settings import load
from services.link_checker.fetching.addresses import special
from services.link_checker.settings import CheckerSettings

EXCLUDED = "traffic.sidecar.istio.io/excludeOutboundPorts"
Manifest = dict[str, Any]


def named(kind: str, name: str, values: Manifest | None = None) -> list[Manifest]:
    documents = [document for document in yaml.safe_load_all(chart.render(values)) if document]
    return [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name]


def test_what_is_fetched_leaves_past_the_sidecar_on_the_allowed_ports() -> None:
    (deployment,) = named("Deployment", "link-checker-v1")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations[EXCLUDED] == load(CheckerSettings, {}).allowed_ports
    (other,) = named("Deployment", "links-v1")
    assert EXCLUDED not in other["spec"]["template"]["metadata"]["annotations"]
    function = Path("services/link_checker/function/function.yaml")
    metadata = yaml.safe_load((chart.ROOT / function).read_text())["metadata"]
    assert metadata["annotations"][EXCLUDED] == load(CheckerSettings, {}).allowed_ports


def test_the_network_policy_lets_out_what_the_checker_would_visit() -> None:
    (policy,) = named("NetworkPolicy", "link-checker-egress")
    (public,) = policy["spec"]["egress"]
    (inside,) = named("NetworkPolicy", "link-checker")
    own = {port["port"] for rule in inside["spec"]["egress"] for port in rule["ports"]}
    assert own.isdisjoint({80, 443, 8080})
    assert {port["port"] for port in public["ports"]} == load(CheckerSettings, {}).guard().ports
    four, six = (block["ipBlock"] for block in public["to"])
    for text in four["except"]:
        network = ipaddress.ip_network(text)
        assert special(network[0]), text
        assert special(network[-1]), text
    for text in ("10.9.8.7", "172.20.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "100.64.0.1"):
        address = ipaddress.ip_address(text)
        assert any(address in ipaddress.ip_network(network) for network in four["except"])
    assert six["cidr"] == "2000::/3"


def test_the_fence_can_be_left_to_others() -> None:
    assert not named("NetworkPolicy", "link-checker-egress", {"networkPolicies": {"enabled": False}})
