"""Mistakes within an object: its containers, what they may do, how they start and end."""

from __future__ import annotations

from tests.chart import schema
from tests.chart.mutants.mutant import Mutant
from tests.chart.rules import changes, containers, pod_security

DEPLOYMENT = "templates/deployment.yaml"
NAMED = "templates/_delinkcious.tpl"
RESOURCES = """          resources:
            {{- toYaml $service.resources | nindent 12 }}
"""

MUTANTS = (
    Mutant(
        "a service without resources",
        DEPLOYMENT,
        RESOURCES,
        "",
        containers.every_container_requests_cpu_and_memory_and_has_a_bound_of_memory,
    ),
    Mutant(
        "less memory than was measured",
        "values.yaml",
        "requests: { cpu: 100m, memory: 160Mi }",
        "requests: { cpu: 100m, memory: 96Mi }",
        containers.every_service_asks_for_the_memory_that_was_measured,
    ),
    Mutant(
        "more memory asked for than allowed",
        "values.yaml",
        "requests: { cpu: 100m, memory: 128Mi }",
        "requests: { cpu: 100m, memory: 1280Mi }",
        containers.no_request_is_above_its_limit,
    ),
    Mutant(
        "an image that moves",
        "templates/_delinkcious.tpl",
        ":{{ .tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}",
        ":latest",
        containers.every_image_has_a_tag_that_does_not_move,
    ),
    Mutant(
        "an image without a tag",
        "templates/observability/jaeger.yaml",
        "image: {{ .Values.jaeger.image }}",
        'image: {{ .Values.jaeger.image | splitList ":" | first }}',
        containers.every_image_has_a_tag_that_does_not_move,
        {"jaeger": {"enabled": True}},
    ),
    Mutant(
        "a token in the environment",
        DEPLOYMENT,
        "          env:\n",
        "          env:\n            - { name: SERVICE_TOKEN, value: quiet-otters }\n",
        containers.no_secret_stands_in_a_variable,
    ),
    Mutant(
        "a database's password in a ConfigMap",
        "values.yaml",
        "  LOG_LEVEL: info\n",
        "  LOG_LEVEL: info\n  DATABASE: postgresql://links:quiet-otters@postgres/links\n",
        containers.no_secret_stands_in_a_config_map,
    ),
    Mutant(
        "a port without a name",
        DEPLOYMENT,
        "- name: http-metrics\n              containerPort: 9090",
        "- containerPort: 9090",
        containers.every_port_has_a_name,
    ),
    Mutant(
        "a port of a protocol that Istio does not know",
        "templates/service.yaml",
        "targetPort: http-metrics\n      appProtocol: http",
        "targetPort: http-metrics\n      appProtocol: metrics",
        containers.every_port_of_a_service_says_its_protocol,
    ),
    Mutant(
        "no readiness probe",
        DEPLOYMENT,
        "readinessProbe:\n            httpGet: { path: /healthz/ready, port: http }",
        "startupProbe:\n            httpGet: { path: /healthz/ready, port: http }",
        containers.every_server_is_probed,
    ),
    Mutant(
        "a probe of a port that is not there",
        DEPLOYMENT,
        "/healthz/ready, port: http }",
        "/healthz/ready, port: htpp }",
        containers.a_probe_asks_a_port_that_is_there,
    ),
    Mutant(
        "killed before it is left alone",
        DEPLOYMENT,
        "            periodSeconds: 10\n            timeoutSeconds: 2\n            failureThreshold: 3",
        "            periodSeconds: 1\n            timeoutSeconds: 2\n            failureThreshold: 3",
        containers.liveness_gives_more_time_than_readiness,
    ),
    Mutant(
        "the node's network",
        DEPLOYMENT,
        "      automountServiceAccountToken: false\n",
        "      automountServiceAccountToken: false\n      hostNetwork: true\n",
        pod_security.a_pod_shares_nothing_with_its_node,
    ),
    Mutant(
        "a folder of the node",
        DEPLOYMENT,
        "emptyDir: { sizeLimit: 1Gi }",
        "hostPath: { path: /tmp }",
        pod_security.a_pod_has_volumes_of_harmless_kinds_only,
    ),
    Mutant(
        "root",
        NAMED,
        "runAsNonRoot: true\nrunAsUser: 65534",
        "runAsNonRoot: true\nrunAsUser: 0",
        pod_security.no_process_is_root,
    ),
    Mutant(
        "nobody says that it is not root",
        NAMED,
        "runAsNonRoot: true\n",
        "",
        pod_security.no_process_is_root,
    ),
    Mutant(
        "rights by a set-uid program",
        NAMED,
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        pod_security.no_process_gets_a_right_that_it_did_not_begin_with,
    ),
    Mutant(
        "a capability",
        NAMED,
        "capabilities: { drop: [ALL] }",
        "capabilities: { drop: [ALL], add: [NET_RAW] }",
        pod_security.no_process_gets_a_right_that_it_did_not_begin_with,
    ),
    Mutant(
        "every system call",
        NAMED,
        "seccompProfile: { type: RuntimeDefault }\n",
        "seccompProfile: { type: Unconfined }\n",
        pod_security.every_process_has_a_filter_of_system_calls,
    ),
    Mutant(
        "a root file system to write to",
        NAMED,
        "readOnlyRootFilesystem: true\n",
        "",
        pod_security.nobody_writes_to_the_root_file_system,
    ),
    Mutant(
        "a setting of the node's kernel",
        NAMED,
        "fsGroup: 65534\n",
        'fsGroup: 65534\nsysctls: [{ name: kernel.msgmax, value: "65536" }]\n',
        pod_security.nothing_else_of_the_system_is_unmasked,
    ),
    Mutant(
        "a misspelt field",
        DEPLOYMENT,
        "      serviceAccountName: ",
        "      serviceAcountName: ",
        schema.every_object_is_valid_for_the_three_newest_versions_of_kubernetes,
    ),
    Mutant(
        "a version of the API that is gone",
        "templates/disruptionbudget.yaml",
        "apiVersion: policy/v1",
        "apiVersion: policy/v1beta1",
        schema.every_object_is_valid_for_the_three_newest_versions_of_kubernetes,
    ),
    Mutant(
        "a drain longer than the grace period",
        DEPLOYMENT,
        "sub $.Values.terminationGracePeriodSeconds $closing",
        "add $.Values.terminationGracePeriodSeconds 1",
        changes.a_pod_stops_before_its_grace_period_ends,
    ),
    Mutant(
        "a process that does not know how long it has",
        DEPLOYMENT,
        "- name: DRAIN_DELAY_S",
        "- name: DRAIN_DELAY",
        changes.every_server_of_people_drains,
    ),
    Mutant(
        "a sidecar that cuts requests off",
        "values.yaml",
        'EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"',
        'EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "false"',
        changes.a_pod_stops_before_its_grace_period_ends,
    ),
    Mutant(
        "a job without an end",
        "templates/migrate.yaml",
        "  activeDeadlineSeconds: 1800\n",
        "",
        changes.a_job_ends,
    ),
)
