"""What every container has: bounds, an image that stays the same, probes; and no secret in sight."""

from __future__ import annotations

import re

from tests.chart.manifests import Json, Rendered
from tests.chart.verdict import Verdicts

# Istio's injection puts its proxy's image and probes there.
INJECTED = "istio-proxy"
SECRET_WORDS = (
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "DATABASE_URL",
    "NATS_URL",
    "REDIS_URL",
)
PASSWORD_IN_A_URL = re.compile(r"[a-z+]+://[^/@\s:]*:[^/@\s$]+@")
# As Istio takes a protocol from a port's name.
PROTOCOLS = ("grpc", "grpc-web", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls", "udp")
_UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", 1)}


def every_container_requests_cpu_and_memory_and_has_a_bound_of_memory(chart: Rendered) -> Verdicts:
    for where, _, container in chart.containers():
        resources = container.get("resources") or {}
        wanted = {f"requests.{name}" for name in ("cpu", "memory")} | {"limits.memory"}
        given = {f"{kind}.{name}" for kind, held in resources.items() for name in held}
        missing = sorted(wanted - given)
        yield where, f"no {', '.join(missing)}" if missing else ""


def every_service_asks_for_the_memory_that_was_measured(chart: Rendered) -> Verdicts:
    """As the chart's page tells it: a number for each, in MiB."""
    page = chart.readme.partition("measured under")[2][:400]
    measured = {name: int(text) for name, text in re.findall(r"([a-z-]+) (\d+)(?: MiB)?[,;]? ", page)}
    for where, pod, container in chart.containers():
        if pod.kind == "Deployment" and container["name"] in chart.values["services"]:
            held = measured.get(container["name"], 0)
            requests = (container.get("resources") or {}).get("requests") or {}
            asked = quantity(requests.get("memory", 0)) / 2**20
            complaint = f"{asked:g} MiB, and {held} were measured" if asked < held else ""
            yield where, complaint if held else "nobody says what was measured"


def no_request_is_above_its_limit(chart: Rendered) -> Verdicts:
    for where, _, container in chart.containers():
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        for name, amount in (resources.get("requests") or {}).items():
            over = name in limits and quantity(amount) > quantity(limits[name])
            yield where, f"{name}: {amount} is asked for and {limits[name]} allowed" if over else ""


def every_image_has_a_tag_that_does_not_move(chart: Rendered) -> Verdicts:
    for where, _, container in chart.containers():
        image = str(container.get("image", ""))
        if (container["name"], image) == (INJECTED, "auto"):
            continue
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        fine = "@sha256:" in image or tag not in ("", "latest", "main", "edge", "stable")
        yield where, "" if fine else f'image "{image}"'


def no_secret_stands_in_a_variable(chart: Rendered) -> Verdicts:
    for where, _, container in chart.containers():
        for variable in container.get("env") or []:
            yield f"{where} {variable['name']}", _shown(variable["name"], variable.get("value"))


def no_secret_stands_in_a_config_map(chart: Rendered) -> Verdicts:
    for manifest in chart.of("ConfigMap"):
        for key, text in (manifest.get("data") or {}).items():
            plain = _shown(key, text) if "\n" not in str(text) else ""
            found = PASSWORD_IN_A_URL.search(str(text))
            yield f"ConfigMap {manifest['metadata']['name']} {key}", f"holds {found[0]}" if found else plain


def every_port_has_a_name(chart: Rendered) -> Verdicts:
    for where, _, container in chart.containers():
        for port in container.get("ports") or []:
            yield where, "" if port.get("name") else f"port {port['containerPort']} has no name"
    for service in chart.of("Service"):
        for port in service["spec"].get("ports") or []:
            named = f"Service {service['metadata']['name']}"
            yield named, "" if port.get("name") else f"port {port['port']} has no name"


def every_port_of_a_service_says_its_protocol(chart: Rendered) -> Verdicts:
    for service in chart.of("Service"):
        for port in service["spec"].get("ports") or []:
            said = port.get("appProtocol") or str(port.get("name", "")).partition("-")[0]
            named = f"Service {service['metadata']['name']} port {port['port']}"
            yield named, "" if said in PROTOCOLS else f'"{said}" is no protocol that Istio knows'


def every_server_is_probed(chart: Rendered) -> Verdicts:
    for where, pod, container in chart.containers():
        if not pod.serves or not container.get("ports") or container["name"] == INJECTED:
            continue
        missing = [name for name in ("readinessProbe", "livenessProbe") if name not in container]
        yield where, f"no {' and no '.join(missing)}" if missing else ""


def a_probe_asks_a_port_that_is_there(chart: Rendered) -> Verdicts:
    for where, pod, container in chart.containers():
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind) or {}
            asked = [probe[way]["port"] for way in ("httpGet", "tcpSocket", "grpc") if way in probe]
            for port in asked:
                known = port in pod.port_names() or port in pod.ports()
                yield f"{where} {kind}", "" if known else f"no port {port}"


def liveness_gives_more_time_than_readiness(chart: Rendered) -> Verdicts:
    """Else a pod under load is killed before it is left alone."""
    for where, _, container in chart.containers():
        if "livenessProbe" in container and "readinessProbe" in container:
            live, ready = (_fails_after(container[f"{kind}Probe"]) for kind in ("liveness", "readiness"))
            yield where, "" if live > ready else f"killed after {live:g} s, left alone after {ready:g} s"


def quantity(text: object) -> float:
    """A quantity of Kubernetes as a number: cores, bytes."""
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    if found is None:
        raise ValueError(f"no quantity: {text}")
    return float(found[1]) * _UNITS[found[2]]


def _shown(name: str, value: object) -> str:
    """What a literal gives away."""
    text = "" if value is None else str(value)
    if PASSWORD_IN_A_URL.search(text):
        return "a URL with a password"
    if text.startswith("/") or "$(" in text or name.endswith(("_FILE", "_PATH", "_S")):
        return ""
    secret = any(word in name.upper() for word in SECRET_WORDS)
    return f'"{text[:20]}" is readable' if secret and text and not text.startswith("http") else ""


def _fails_after(probe: Json) -> float:
    """Seconds of failing until it has a consequence."""
    return float(probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3))


RULES = (
    every_container_requests_cpu_and_memory_and_has_a_bound_of_memory,
    every_service_asks_for_the_memory_that_was_measured,
    no_request_is_above_its_limit,
    every_image_has_a_tag_that_does_not_move,
    no_secret_stands_in_a_variable,
    no_secret_stands_in_a_config_map,
    every_port_has_a_name,
    every_port_of_a_service_says_its_protocol,
    every_server_is_probed,
    a_probe_asks_a_port_that_is_there,
    liveness_gives_more_time_than_readiness,
)
