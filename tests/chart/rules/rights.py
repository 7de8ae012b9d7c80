"""Who may ask the API server for what: little, in one's own namespace, with a reason for the rest."""

from __future__ import annotations

from tests.chart.manifests import Rendered, namespace, where
from tests.chart.verdict import Verdicts

# Rights in the whole cluster, and why they have to be.
CLUSTER_ROLES = {"delinkcious-log-collector": "lines of pods of every namespace get their labels"}
# Who reads Secrets by the API, and why.
READS_SECRETS = {"ingressgateway": "certificates that a Gateway names"}
# Who has a token and no rights of the chart's: Istio gives them.
TOKENS_FOR_OTHERS = {"ingressgateway"}


def no_rule_allows_everything(chart: Rendered) -> Verdicts:
    for role in chart.of("Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            words = [*rule.get("apiGroups", []), *rule.get("resources", []), *rule.get("verbs", [])]
            yield where(role), "a rule has *" if "*" in words else ""


def no_right_reaches_the_whole_cluster_without_a_reason(chart: Rendered) -> Verdicts:
    for role in chart.of("ClusterRole", "ClusterRoleBinding"):
        fine = role["metadata"]["name"] in CLUSTER_ROLES
        yield where(role), "" if fine else "it is in the whole cluster, and no reason is written down"


def nobody_raises_their_own_rights(chart: Rendered) -> Verdicts:
    risky = {"escalate", "bind", "impersonate"}
    for role in chart.of("Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            found = risky & set(rule.get("verbs", []))
            groups = set(rule.get("apiGroups", [])) & {"rbac.authorization.k8s.io"}
            yield where(role), ", ".join(sorted(found | groups))


def nobody_reads_secrets_without_a_reason(chart: Rendered) -> Verdicts:
    for role in chart.of("Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            reads = "secrets" in rule.get("resources", []) and role["metadata"]["name"] not in READS_SECRETS
            yield where(role), "it reads secrets" if reads and not rule.get("resourceNames") else ""


def every_binding_joins_what_is_there(chart: Rendered) -> Verdicts:
    for binding in chart.of("RoleBinding", "ClusterRoleBinding"):
        role = binding["roleRef"]
        space = namespace(binding) if role["kind"] == "Role" else ""
        yield (
            where(binding),
            "" if chart.has(role["kind"], space, role["name"]) else f"there is no {role['name']}",
        )
        for subject in binding.get("subjects") or []:
            found = chart.has(subject["kind"], subject.get("namespace", ""), subject["name"])
            yield where(binding), "" if found else f"there is no {subject['kind']} {subject['name']}"


def every_role_is_bound(chart: Rendered) -> Verdicts:
    bound = {
        (
            each["roleRef"]["kind"],
            namespace(each) if each["roleRef"]["kind"] == "Role" else "",
            each["roleRef"]["name"],
        )
        for each in chart.of("RoleBinding", "ClusterRoleBinding")
    }
    for role in chart.of("Role", "ClusterRole"):
        key = (role["kind"], namespace(role), role["metadata"]["name"])
        yield where(role), "" if key in bound else "nobody has it"


def a_pod_has_a_token_only_where_it_has_rights(chart: Rendered) -> Verdicts:
    """A token that is good for nothing is still an identity to steal."""
    accounts = {
        (subject.get("namespace"), subject["name"])
        for each in chart.of("RoleBinding", "ClusterRoleBinding")
        for subject in each.get("subjects") or []
    }
    for pod in chart.pods:
        name = pod.spec.get("serviceAccountName", "default")
        account = chart.find("ServiceAccount", pod.namespace, name) or {}
        mounted = pod.spec.get(
            "automountServiceAccountToken", account.get("automountServiceAccountToken", True)
        )
        has = (pod.namespace, name) in accounts
        if name in TOKENS_FOR_OTHERS:
            continue
        yield pod.where, "a token without rights" if mounted and not has else ""
        yield pod.where, "rights without a token" if has and not mounted else ""


RULES = (
    no_rule_allows_everything,
    no_right_reaches_the_whole_cluster_without_a_reason,
    nobody_raises_their_own_rights,
    nobody_reads_secrets_without_a_reason,
    every_binding_joins_what_is_there,
    every_role_is_bound,
    a_pod_has_a_token_only_where_it_has_rights,
)
