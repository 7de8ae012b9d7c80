"""NetworkPolicies say what the mesh's AuthorizationPolicies say, edge by edge, and nothing more."""

from __future__ import annotations

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from delinkcious import chart

Manifest = dict[str, Any]
Edge = tuple[str, str, int]  # who, whom, at which port
EVERYONE = "everyone"


def of_kind(kind: str, values: Manifest | None = None) -> dict[str, Manifest]:
    documents = [document for document in yaml.safe_load_all(chart.render(values)) if document]
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


@pytest.fixture(scope="module")
def policies() -> dict[str, Manifest]:
    return of_kind("NetworkPolicy")


def services() -> dict[str, Manifest]:
    found: dict[str, Manifest] = yaml.safe_load((chart.CHART / "values.yaml").read_text())["services"]
    return found


def of_the_mesh() -> set[Edge]:
    """Every edge that an AuthorizationPolicy of one service names."""
    edges = set()
    text = (chart.ROOT / "mesh" / "istio" / "security.yaml").read_text()
    for document in yaml.safe_load_all(text):
        app = (document["spec"].get("selector") or {}).get("matchLabels", {}).get("app")
        if document["kind"] != "AuthorizationPolicy" or app is None:
            continue
        for rule in document["spec"]["rules"]:
            sources = [part["source"]["principals"] for part in rule.get("from", [])]
            who = {name.rpartition("/")[2] for names in sources for name in names} or {EVERYONE}
            for to in rule["to"]:
                edges |= {(name, app, int(port)) for name in who for port in to["operation"]["ports"]}
    return edges


def number(app: str, port: str) -> int:
    return 8080 if port == "http" else int(services()[app]["extraPorts"][port])


def named(peer: Manifest) -> str:
    labels = peer["podSelector"]["matchLabels"]
    return str(labels.get("app") or labels["istio"])


def test_what_a_service_takes_is_what_the_mesh_lets_in(policies: dict[str, Manifest]) -> None:
    edges = set()
    for app in services():
        for rule in policies[app]["spec"]["ingress"]:
            for port in rule["ports"]:
                if isinstance(port["port"], str):
                    who = {named(peer) for peer in rule.get("from", [])} or {EVERYONE}
                    edges |= {(name, app, number(app, port["port"])) for name in who}
    assert edges == of_the_mesh()


def test_what_a_service_sends_to_another_is_what_the_mesh_lets_in(policies: dict[str, Manifest]) -> None:
    edges = set()
    for app in services():
        for rule in policies[app]["spec"]["egress"]:
            for peer in (each for each in rule.get("to", []) if "podSelector" in each):
                edges |= {(app, named(peer), port["port"]) for port in rule["ports"]}
    keys = {edge for edge in edges if edge[1:] == ("users", 8081)}
    assert {edge[0] for edge in keys} == set(services()) - {"users"}, "all verify tokens"
    inside = {edge for edge in of_the_mesh() if edge[0] not in {"ingressgateway", EVERYONE}}
    assert edges - keys == inside


def test_nothing_goes_that_is_not_named(policies: dict[str, Manifest]) -> None:
    everything = policies["deny-by-default"]["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    values = {"collector": {"enabled": True}, "logs": {"collector": {"enabled": True}}}
    values |= {"prometheus": {"enabled": True}, "jaeger": {"enabled": True}, "canary": {"enabled": True}}
    for policy in of_kind("NetworkPolicy", values).values():
        kubernetes_validate.validate(policy, "1.37", strict=True)
    for policy in policies.values():
        for rule in policy["spec"].get("egress", []):
            assert rule["ports"], policy["metadata"]["name"]


def test_every_pod_has_a_policy_that_lets_it_look_up_names() -> None:
    values = {"canary": {"enabled": True}, "canaryLoad": {"enabled": True, "host": "https://links.example"}}
    documents = [document for document in yaml.safe_load_all(chart.render(values)) if document]
    policies = [each["spec"] for each in documents if each["kind"] == "NetworkPolicy"]
    for each in documents:
        if each["kind"] not in {"Deployment", "Job"} or each["metadata"]["namespace"] != chart.NAMESPACE:
            continue
        labels = each["spec"]["template"]["metadata"]["labels"].items()
        rules = [
            rule
            for policy in policies
            if (policy["podSelector"].get("matchLabels") or {"": ""}).items() <= labels
            for rule in policy.get("egress", [])
        ]
        ports = [(port["port"], port["protocol"]) for rule in rules for port in rule.get("ports", [])]
        assert (53, "UDP") in ports, each["metadata"]["name"]


def ports_of(policy: Manifest) -> set[int]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


def test_each_reaches_its_own_stores_only(policies: dict[str, Manifest]) -> None:
    assert 6379 in ports_of(policies["news"]) and 5432 not in ports_of(policies["news"])
    assert 5432 in ports_of(policies["links"]) and 6379 not in ports_of(policies["links"])
    migration = ports_of(policies["links-migrate"])
    assert 5432 in migration and 4222 not in migration


def test_sign_in_elsewhere_opens_the_way_to_identity_providers(policies: dict[str, Manifest]) -> None:
    assert "users-egress" not in policies
    secrets = {"users-oidc": {"providers": "OIDC_PROVIDERS_FILE"}}
    opened = of_kind("NetworkPolicy", {"services": {"users": {"secrets": secrets}}})["users-egress"]
    (rule,) = opened["spec"]["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert "10.0.0.0/8" in rule["to"][0]["ipBlock"]["except"]


def way_out(policies: dict[str, Manifest], port: int) -> list[Manifest]:
    """Where the link checker may go on a port, by each rule of the policy that is not for pages."""
    rules = policies["link-checker"]["spec"]["egress"]
    return [rule for rule in rules if port in {each["port"] for each in rule["ports"]}]


def test_who_fetches_what_strangers_name_reaches_no_address_of_a_cloud(policies: dict[str, Manifest]) -> None:
    for port in (15012, 4318, 5432, 4222):
        (rule,) = way_out(policies, port)
        pods, four, six = rule["to"]
        assert pods == {"namespaceSelector": {}}
        assert {"169.254.0.0/16", "168.63.129.16/32"} <= set(four["ipBlock"]["except"])
        assert "fd00:ec2::254/128" in six["ipBlock"]["except"]


def test_where_a_store_is_said_to_be_there_the_checker_goes_and_nowhere_else() -> None:
    to = [{"ipBlock": {"cidr": "10.1.2.3/32"}}]
    outside = {"postgres": {"ports": [5432], "to": to}, "traces": {"ports": [443], "to": to}}
    opened = of_kind("NetworkPolicy", {"networkPolicies": {"outside": outside}})
    assert [rule["to"] for port in (5432, 443) for rule in way_out(opened, port)] == [to, to]


@pytest.mark.parametrize("what", ["dns", "nats", "traces"])
def test_no_port_for_pages_is_opened_to_all_addresses(what: str) -> None:
    with pytest.raises(helm_python.HelmError, match=f"{what}: services.link-checker fetches on port 443"):
        chart.render({"networkPolicies": {"outside": {what: {"ports": [443]}}}})


def test_a_port_for_pages_of_every_service_is_opened_to_the_others_only() -> None:
    opened = of_kind("NetworkPolicy", {"networkPolicies": {"ownPorts": [{"port": 443, "protocol": "TCP"}]}})
    assert 443 in ports_of(opened["links"]) and not way_out(opened, 443)


def test_the_ports_of_an_older_release_are_still_understood() -> None:
    values = {"networkPolicies": {"ownPorts": [{"port": 6432, "protocol": "TCP"}]}}
    changed = of_kind("NetworkPolicy", values)
    assert 6432 in ports_of(changed["link-checker"]) and 6432 in ports_of(changed["users-migrate"])


def test_metrics_are_read_by_the_prometheus_that_is_known_or_by_any_pod_of_the_cluster() -> None:
    def scrapers(values: Manifest) -> Any:
        return of_kind("NetworkPolicy", values)["links"]["spec"]["ingress"][0]["from"]

    assert scrapers({}) == [{"namespaceSelector": {}}]
    (own,) = scrapers({"prometheus": {"enabled": True}})
    assert own["podSelector"]["matchLabels"] == {"app": "prometheus"}
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert scrapers({"networkPolicies": {"scrapers": [peer]}}) == [peer]


def test_a_port_that_nobody_calls_is_open_to_nobody() -> None:
    ingress = of_kind("NetworkPolicy", {"services": {"links": {"callers": {"http": []}}}})["links"]["spec"][
        "ingress"
    ]
    assert [port["port"] for rule in ingress for port in rule["ports"]] == [9090, 15020, 15090]
    assert all(rule["from"] for rule in ingress)


@pytest.mark.parametrize(
    ("callers", "complaint"),
    [({"http": ["wbe"]}, "nobody is called wbe"), ({"grpc": ["web"]}, "it has no such port")],
)
def test_an_edge_from_nobody_or_to_no_port_is_refused(callers: Manifest, complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match=complaint):
        chart.render({"services": {"links": {"callers": callers}}})
