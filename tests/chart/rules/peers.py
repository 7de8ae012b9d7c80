"""Peers of NetworkPolicies: a rule that names none is a rule for all addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tests.chart.manifests import Json, Rendered, matches, namespace, where
from tests.chart.verdict import Verdicts

# Where clouds tell a machine its secrets, or do what it says.
CLOUD = ("169.254.169.254", "168.63.129.16", "fd00:ec2::254")
# One of each private network.
PRIVATE = ("10.0.0.1", "100.64.0.1", "127.0.0.1", "172.16.0.1", "192.168.0.1", *CLOUD)


def no_rule_of_a_network_policy_is_without_peers_unless_everyone_is_meant(chart: Rendered) -> Verdicts:
    """The API server takes a list that is empty or null for none, and none for everyone."""
    for policy in chart.of("NetworkPolicy"):
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(way) or []:
                emptied = peers in rule and not rule[peers]
                open_to_all = (
                    way == "ingress" and not rule.get(peers) and not _for_everyone(chart, policy, rule)
                )
                yield where(policy), f"anyone at {rule.get('ports')}" if emptied or open_to_all else ""


def who_fetches_what_strangers_name_reaches_no_address_that_tells_secrets(chart: Rendered) -> Verdicts:
    """On its ports for pages none that is private, on others none of a cloud, but for names."""
    names = set(chart.values["networkPolicies"]["outside"]["dns"]["ports"])
    for policy, public in _of_fetchers(chart):
        for rule in policy["spec"].get("egress") or []:
            ports = {each.get("port") for each in rule.get("ports") or [{}]}
            kept = PRIVATE if ports & public or None in ports else CLOUD if ports - names else ()
            reached = [each for each in kept if _reaches(rule, each)]
            pods = ports & public and {"namespaceSelector": {}} in (rule.get("to") or [])
            complaint = ", ".join([*reached, *["any pod"] * bool(pods)])
            yield (
                f"{where(policy)} at {sorted(ports, key=str)}",
                f"it reaches {complaint}" if complaint else "",
            )


def _of_fetchers(chart: Rendered) -> Iterator[tuple[Json, set[int]]]:
    """Policies that open a way out to a service with `publicPorts`, and these."""
    for name, service in chart.values["services"].items():
        public = set(service.get("publicPorts") or [])
        found = next((pod for pod in chart.pods if pod.serves and pod.labels.get("app") == name), None)
        for policy in chart.of("NetworkPolicy") if found and public else []:
            assert found is not None
            spec = policy["spec"]
            if namespace(policy) == found.namespace and matches(spec["podSelector"], found.labels):
                yield policy, public


def _reaches(rule: Json, address: str) -> bool:
    blocks = [each["ipBlock"] for each in rule.get("to") or [] if "ipBlock" in each]
    open_blocks = [
        each for each in blocks if not any(_is_in(address, inner) for inner in each.get("except") or [])
    ]
    return not rule.get("to") or any(_is_in(address, each["cidr"]) for each in open_blocks)


def _is_in(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)


def _for_everyone(chart: Rendered, policy: Json, rule: Json) -> bool:
    service = chart.values["services"].get(policy["metadata"]["name"]) or {}
    callers = service.get("callers") or {}
    ports = [each["port"] for each in rule.get("ports") or []]
    return bool(ports) and all("everyone" in callers.get(port, []) for port in ports)


RULES = (
    no_rule_of_a_network_policy_is_without_peers_unless_everyone_is_meant,
    who_fetches_what_strangers_name_reaches_no_address_that_tells_secrets,
)
