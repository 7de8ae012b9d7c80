"""Peers of NetworkPolicies: a rule that names none is a rule for all addresses."""

from __future__ import annotations

from tests.chart.manifests import Json, Rendered, where
from tests.chart.verdict import Verdicts


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


def _for_everyone(chart: Rendered, policy: Json, rule: Json) -> bool:
    service = chart.values["services"].get(policy["metadata"]["name"]) or {}
    callers = service.get("callers") or {}
    ports = [each["port"] for each in rule.get("ports") or []]
    return bool(ports) and all("everyone" in callers.get(port, []) for port in ports)


RULES = (no_rule_of_a_network_policy_is_without_peers_unless_everyone_is_meant,)
