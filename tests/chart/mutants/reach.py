"""Mistakes about who reaches whom: between pods, and in the mesh."""

from __future__ import annotations

from tests.chart import mesh
from tests.chart.matrix import ALONE
from tests.chart.mutants.mutant import Mutant
from tests.chart.rules import peers, policies, selectors

WATCHED = {"prometheus": {"enabled": True}, "jaeger": {"enabled": True}}

MUTANTS = (
    Mutant(
        "no default of denying",
        "templates/networkpolicy.yaml",
        "  podSelector: {}\n  policyTypes: [Ingress, Egress]",
        "  podSelector: {}\n  policyTypes: [Ingress]",
        policies.every_namespace_of_ours_denies_by_default,
    ),
    Mutant(
        "a caller that is nobody",
        "templates/_network.tpl",
        "matchLabels: { app: {{ .caller }} }",
        "matchLabels: { service: {{ .caller }} }",
        selectors.every_peer_of_a_network_policy_is_somebody,
    ),
    Mutant(
        "nobody who is everyone",
        "templates/networkpolicy.yaml",
        "{{- if $callers }}",
        "{{- if true }}",
        peers.no_rule_of_a_network_policy_is_without_peers_unless_everyone_is_meant,
        ALONE["a port that nobody calls"],
    ),
    Mutant(
        "a door where no port is",
        "templates/networkpolicy.yaml",
        "- { port: {{ $port }}, protocol: TCP }",
        "- { port: {{ $port }}-in, protocol: TCP }",
        selectors.every_port_of_a_network_policy_is_there,
    ),
    Mutant(
        "a monitor that finds nothing",
        "templates/observability/operator.yaml",
        "      app: otel-collector",
        "      app: collector",
        selectors.every_monitor_has_something_to_scrape,
        {"prometheus": {"operator": {"enabled": True}}, "collector": {"enabled": True}},
    ),
    Mutant(
        "a call that the mesh allows and the network cuts off",
        "values.yaml",
        "http: [gateway, news, web]",
        "http: [gateway, news]",
        policies.every_call_that_the_mesh_allows_passes_the_network_policies,
    ),
    Mutant(
        "a call that no policy of the mesh allows",
        "values.yaml",
        "http: [gateway, news, web]",
        "http: [gateway, news, web, users]",
        policies.every_call_that_the_network_policies_pass_is_allowed_by_the_mesh,
    ),
    Mutant(
        "public keys for named services only",
        "values.yaml",
        "http-jwks: [everyone]",
        "http-jwks: [links, news, social-graph, web, link-checker, gateway]",
        policies.istiod_reaches_the_public_keys,
    ),
    Mutant(
        "metrics for whoever asks",
        "templates/_network.tpl",
        '    {{- include "delinkcious.scrapers" . | nindent 4 }}\n  ports:',
        "    - namespaceSelector: {}\n  ports:",
        policies.nobody_but_prometheus_reads_metrics,
        WATCHED,
    ),
    Mutant(
        "a store that is out of reach",
        "templates/networkpolicy.yaml",
        "{{- if hasKey ($users | default dict) $name }}",
        '{{- if and (hasKey ($users | default dict) $name) (ne $store "postgres") }}',
        policies.who_has_the_address_of_a_store_reaches_it_and_nobody_else_does,
    ),
    Mutant(
        "pages fetched from private addresses",
        "templates/_network.tpl",
        "          - 169.254.0.0/16\n",
        "",
        policies.what_is_let_out_to_the_public_reaches_nothing_private,
    ),
    Mutant(
        "a store at an address of the cloud's own",
        "templates/_network.tpl",
        "except: [100.100.100.200/32, 168.63.129.16/32, 169.254.0.0/16]",
        "except: [100.100.100.200/32, 168.63.129.16/32]",
        peers.who_fetches_what_strangers_name_reaches_no_address_that_tells_secrets,
    ),
    Mutant(
        "a door of every service where one fetches pages",
        "templates/_network.tpl",
        "{{- if not (has (toString .port) $fetcher.ports) }}",
        "{{- if true }}",
        peers.who_fetches_what_strangers_name_reaches_no_address_that_tells_secrets,
        {"networkPolicies": {"ownPorts": [{"port": 443, "protocol": "TCP"}]}},
    ),
    Mutant(
        "a version that the mesh does not find",
        "templates/deployment.yaml",
        "        version: {{ $version }}\n        {{- include",
        "        release: {{ $version }}\n        {{- include",
        mesh.mesh_check_takes_the_chart_and_the_policy_together,
    ),
    Mutant(
        "an account that the policy does not know",
        "templates/serviceaccount.yaml",
        "  name: {{ $name }}\n",
        "  name: {{ $name }}-service\n",
        mesh.mesh_check_takes_the_chart_and_the_policy_together,
    ),
)
