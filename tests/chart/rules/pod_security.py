"""The Pod Security Standard `restricted`, control by control, and root file systems that nobody writes to."""

from __future__ import annotations

from tests.chart.manifests import Json, Pod, Rendered
from tests.chart.verdict import Verdicts

# Who may do what `restricted` forbids, and why; each in a namespace that is labelled for it or none of ours.
EXCEPTIONS = {("DaemonSet", "log-collector"): "reads the node's files, which are root's"}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SECCOMP = ("RuntimeDefault", "Localhost")
SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}


def bound(chart: Rendered) -> list[Pod]:
    """The pods that the standard holds for."""
    return [pod for pod in chart.pods if (pod.kind, pod.name) not in EXCEPTIONS]


def a_pod_shares_nothing_with_its_node(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
        yield pod.where, ", ".join(shared)
        for container in pod.containers:
            ports = [port["hostPort"] for port in container.get("ports") or [] if port.get("hostPort")]
            windows = _context(pod, container).get("windowsOptions") or {}
            complaint = f"hostPort {ports[0]}" if ports else "hostProcess" * bool(windows.get("hostProcess"))
            yield f"{pod.where} {container['name']}", complaint or _asks_another_host(container)


def a_pod_has_volumes_of_harmless_kinds_only(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        for volume in pod.spec.get("volumes") or []:
            kinds = volume.keys() - {"name"}
            yield f"{pod.where} volume {volume['name']}", ", ".join(sorted(kinds - VOLUMES))


def no_process_is_root(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        for container in pod.containers:
            context = _context(pod, container)
            complaint = "" if context.get("runAsNonRoot") is True else "runAsNonRoot is not true"
            if context.get("runAsUser", 1) == 0:
                complaint = "runAsUser is 0"
            yield f"{pod.where} {container['name']}", complaint


def no_process_gets_a_right_that_it_did_not_begin_with(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        for container in pod.containers:
            context = container.get("securityContext") or {}
            capabilities = context.get("capabilities") or {}
            wrong = [
                *["privileged"] * bool(context.get("privileged")),
                *["allowPrivilegeEscalation is not false"]
                * (context.get("allowPrivilegeEscalation") is not False),
                *["capabilities are not dropped"] * ("ALL" not in (capabilities.get("drop") or [])),
                *sorted(set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}),
            ]
            yield f"{pod.where} {container['name']}", ", ".join(wrong)


def every_process_has_a_filter_of_system_calls(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        for container in pod.containers:
            profile = (_context(pod, container).get("seccompProfile") or {}).get("type")
            yield (
                f"{pod.where} {container['name']}",
                "" if profile in SECCOMP else f"seccompProfile {profile}",
            )


def nothing_else_of_the_system_is_unmasked(chart: Rendered) -> Verdicts:
    for pod in bound(chart):
        sysctls = {each["name"] for each in (pod.spec.get("securityContext") or {}).get("sysctls") or []}
        yield pod.where, ", ".join(sorted(sysctls - SAFE_SYSCTLS))
        for container in pod.containers:
            context = _context(pod, container)
            selinux = context.get("seLinuxOptions") or {}
            wrong = [
                *["procMount"] * (context.get("procMount", "Default") != "Default"),
                *["seLinuxOptions"]
                * bool(
                    selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role")
                ),
                *["appArmorProfile"] * ((context.get("appArmorProfile") or {}).get("type") == "Unconfined"),
            ]
            yield f"{pod.where} {container['name']}", ", ".join(wrong)


def nobody_writes_to_the_root_file_system(chart: Rendered) -> Verdicts:
    """Which the standard does not ask for."""
    for where, _, container in chart.containers():
        context = container.get("securityContext") or {}
        read_only = context.get("readOnlyRootFilesystem") is True
        yield where, "" if read_only else "readOnlyRootFilesystem is not true"


def _context(pod: Pod, container: Json) -> Json:
    """What holds for a container: its own over its pod's."""
    return (pod.spec.get("securityContext") or {}) | (container.get("securityContext") or {})


def _asks_another_host(container: Json) -> str:
    life = container.get("lifecycle") or {}
    asked = [container.get(f"{kind}Probe") or {} for kind in ("startup", "readiness", "liveness")]
    asked += [life.get(kind) or {} for kind in ("postStart", "preStop")]
    hosts = [
        way["host"] for each in asked for way in each.values() if isinstance(way, dict) and way.get("host")
    ]
    return f"a probe of host {hosts[0]}" if hosts else ""


RULES = (
    a_pod_shares_nothing_with_its_node,
    a_pod_has_volumes_of_harmless_kinds_only,
    no_process_is_root,
    no_process_gets_a_right_that_it_did_not_begin_with,
    every_process_has_a_filter_of_system_calls,
    nothing_else_of_the_system_is_unmasked,
    nobody_writes_to_the_root_file_system,
)
