"""Mistakes between objects: who names whom, who may what, what comes first."""

from __future__ import annotations

from tests.chart.mutants.mutant import Mutant
from tests.chart.rules import changes, references, rights, selectors

DEPLOYMENT = "templates/deployment.yaml"
CANARY = {"canary": {"enabled": True}}
SCALED = {"autoscaling": {"enabled": True}}

MUTANTS = (
    Mutant(
        "a Service that finds no pod",
        "templates/service.yaml",
        "  selector:\n    app: {{ $name }}",
        "  selector:\n    app: {{ $name }}-v1",
        selectors.every_service_has_pods,
    ),
    Mutant(
        "a target port that is not there",
        "templates/service.yaml",
        "targetPort: http-metrics",
        "targetPort: metrics",
        selectors.every_target_port_is_there,
    ),
    Mutant(
        "two versions that take each other's pods",
        DEPLOYMENT,
        "    matchLabels:\n      app: {{ $name }}\n      version: {{ $version }}",
        "    matchLabels:\n      app: {{ $name }}",
        selectors.every_owner_of_pods_selects_its_own_and_no_other,
    ),
    Mutant(
        "a disruption budget of nobody",
        "templates/disruptionbudget.yaml",
        "    matchLabels:\n      app: {{ $name }}",
        "    matchLabels:\n      name: {{ $name }}",
        selectors.every_disruption_budget_has_pods,
    ),
    Mutant(
        "a network policy of nobody",
        "templates/networkpolicy.yaml",
        "matchLabels: { app: {{ $name }}-migrate }",
        "matchLabels: { app: {{ $name }}-migration }",
        selectors.every_network_policy_has_pods,
    ),
    Mutant(
        "an autoscaler of nothing",
        "templates/autoscaler.yaml",
        "    kind: Deployment\n    name: {{ $name }}-{{ $version }}",
        "    kind: Deployment\n    name: {{ $name }}",
        selectors.every_autoscaler_has_something_to_scale,
        SCALED,
    ),
    Mutant(
        "an account that nobody made",
        DEPLOYMENT,
        "serviceAccountName: {{ $name }}",
        "serviceAccountName: {{ $name }}-pods",
        references.every_account_of_a_pod_is_there,
    ),
    Mutant(
        "a ConfigMap that is nowhere",
        DEPLOYMENT,
        "configMapRef:\n                name: {{ $name }}",
        "configMapRef:\n                name: {{ $name }}-settings",
        references.every_config_map_secret_and_claim_is_there_or_somebody_is_told_to_bring_it,
    ),
    Mutant(
        "a volume that is not mounted",
        DEPLOYMENT,
        "      volumes:\n",
        "      volumes:\n        - { name: spare, emptyDir: {} }\n",
        references.every_mount_has_its_volume_and_every_volume_is_mounted,
    ),
    Mutant(
        "the same name for two versions",
        DEPLOYMENT,
        "  name: {{ $name }}-{{ $version }}",
        "  name: {{ $name }}",
        references.every_object_is_there_once,
    ),
    Mutant(
        "an object wherever Helm happens to be",
        "templates/configmap.yaml",
        "  namespace: {{ $.Release.Namespace }}\n",
        "",
        references.every_object_says_its_namespace,
    ),
    Mutant(
        "an object that is nobody's",
        "templates/_delinkcious.tpl",
        "app.kubernetes.io/part-of: delinkcious\n",
        "",
        references.every_object_says_whose_it_is,
    ),
    Mutant(
        "every verb",
        "templates/canary.yaml",
        "resources: [virtualservices]\n    verbs: [get, patch]",
        'resources: [virtualservices]\n    verbs: ["*"]',
        rights.no_rule_allows_everything,
        CANARY,
    ),
    Mutant(
        "rights everywhere",
        "templates/canary.yaml",
        "kind: Role\nmetadata:\n  name: delinkcious-canary\n  namespace: {{ .Release.Namespace }}",
        "kind: ClusterRole\nmetadata:\n  name: delinkcious-canary",
        rights.no_right_reaches_the_whole_cluster_without_a_reason,
        CANARY,
    ),
    Mutant(
        "a controller that reads secrets",
        "templates/canary.yaml",
        "resources: [pods]\n    verbs: [list]",
        "resources: [pods, secrets]\n    verbs: [list]",
        rights.nobody_reads_secrets_without_a_reason,
        CANARY,
    ),
    Mutant(
        "a binding to no role",
        "templates/gateway.yaml",
        "  kind: Role\n  name: ingressgateway",
        "  kind: Role\n  name: gateway",
        rights.every_binding_joins_what_is_there,
    ),
    Mutant(
        "a token that is good for nothing",
        DEPLOYMENT,
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: true",
        rights.a_pod_has_a_token_only_where_it_has_rights,
    ),
    Mutant(
        "a hook that the next upgrade finds there",
        "templates/migrate.yaml",
        "    helm.sh/hook-delete-policy: before-hook-creation\n",
        "",
        changes.every_hook_belongs_to_an_event_and_says_when_it_goes,
    ),
    Mutant(
        "a hook that needs what comes after it",
        "templates/migrate.yaml",
        "      restartPolicy: Never\n",
        "      restartPolicy: Never\n      serviceAccountName: {{ $name }}\n",
        changes.a_hook_needs_nothing_that_comes_after_it,
    ),
    Mutant(
        "all migrations before the new version",
        "templates/migrate.yaml",
        "helm.sh/hook: {{ $phase }}-install,{{ $phase }}-upgrade",
        "helm.sh/hook: pre-install,pre-upgrade",
        changes.migrations_before_and_after_stand_in_their_order,
    ),
    Mutant(
        "a number of pods under an autoscaler",
        DEPLOYMENT,
        '{{- if not (include "delinkcious.autoscaled"',
        '{{- if or true (include "delinkcious.autoscaled"',
        changes.who_is_scaled_by_load_has_no_number_of_pods,
        SCALED,
    ),
    Mutant(
        "a rolling update that takes a pod first",
        DEPLOYMENT,
        "rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }",
        "rollingUpdate: { maxSurge: 1, maxUnavailable: 1 }",
        changes.a_rolling_update_never_takes_a_pod_before_another_is_ready,
    ),
    Mutant(
        "a node that cannot be emptied",
        "templates/disruptionbudget.yaml",
        "maxUnavailable: 1",
        "maxUnavailable: 0",
        changes.a_disruption_budget_lets_a_node_be_emptied_and_not_all_pods_at_once,
    ),
    Mutant(
        "two controllers and one volume",
        "templates/canary.yaml",
        "  replicas: 1\n",
        "  replicas: 2\n",
        changes.a_volume_of_one_node_has_one_pod_at_a_time,
        CANARY,
    ),
)
