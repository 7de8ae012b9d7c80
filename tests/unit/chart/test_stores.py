"""Stores of the chart's own: secrets that fit together, pods without rights, a first install that can end."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from delinkcious import chart, local

KUBERNETES = "1.37"
OPERATORS = ("postgresql.cnpg.io/", "monitoring.coreos.com/")
Manifest = dict[str, Any]
ALL: Manifest = {
    "stores": {"bundled": True},
    "secrets": {"generate": True},
    "storesExporter": {"enabled": True},
    "backup": {"enabled": True},
    "canary": {"enabled": True},
    "canaryLoad": {"enabled": True, "host": "https://links.example"},
    "prometheus": {"operator": {"enabled": True}},
}


@cache
def rendered(name: str) -> list[Manifest]:
    values = ALL if name == "all" else yaml.safe_load((chart.CHART / f"values-{name}.yaml").read_text())
    return [document for document in yaml.safe_load_all(chart.render(values)) if document]


def of_kind(kind: str, name: str = "all") -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in rendered(name) if each["kind"] == kind}


def pods(name: str) -> list[tuple[str, Manifest]]:
    """Every pod of the release's namespace, whatever makes it."""
    found = []
    for each in rendered(name):
        spec = each.get("spec") or {}
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        template = each if each["kind"] == "Pod" else spec.get("template")
        if template is not None and each["metadata"]["namespace"] == chart.NAMESPACE:
            found.append((f"{each['kind']}/{each['metadata']['name']}", template))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["all", "dev", "ha"])
def test_every_manifest_is_valid(name: str) -> None:
    for manifest in rendered(name):
        if not manifest["apiVersion"].startswith(OPERATORS):
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["all", "dev", "ha"])
def test_every_pod_is_one_that_pod_security_takes_at_its_strictest(name: str) -> None:
    allowed = {"configMap", "csi", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for pod, template in pods(name):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0, pod
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), pod
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= allowed, (pod, volume)
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"], pod
            assert context["capabilities"] == {"drop": ["ALL"]}, pod
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"], pod
            assert not container["image"].endswith(":latest") and ":" in container["image"], pod


def test_what_is_written_to_is_a_volume() -> None:
    """With a root that nobody writes to, every store has a place for its data and its sockets."""
    places = {
        "postgres": {"/var/lib/postgresql", "/var/run/postgresql", "/tmp"},  # noqa: S108 - in the pod
        "nats": {"/data", "/run/nats"},
    }
    places["redis"] = {"/data", "/run/redis"}
    for name, wanted in places.items():
        (container,) = of_kind("StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert mounts == wanted


def secrets() -> dict[str, dict[str, str]]:
    return {name: each["stringData"] for name, each in of_kind("Secret").items()}


def test_what_a_service_is_told_is_what_its_store_is_told() -> None:
    made = secrets()
    stores = {"DATABASE": "postgres", "NATS": "nats", "REDIS": "redis"}
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    for name, service in values["services"].items():
        for secret, keys in service["secrets"].items():
            for key, variable in keys.items():
                assert made[secret][key], (name, secret)
                if (word := variable.partition("_")[0]) not in stores:
                    continue
                url = urlsplit(made[secret]["url"])
                assert url.password == made[secret]["password"] and len(url.password) >= 32
                assert url.hostname == f"{stores[word]}.{chart.NAMESPACE}.svc"
                assert (url.username or "default") == made[secret]["username"]
                (container,) = of_kind("StatefulSet")[stores[word]]["spec"]["template"]["spec"]["containers"]
                told = [each.get("valueFrom", {}).get("secretKeyRef") for each in container["env"]]
                assert {"name": secret, "key": "password"} in told
    assert len(base64.b64decode(made["users-keys"]["key-encryption-key"])) == 32
    assert {f"{name}-database" for name in local.DATABASES} <= made.keys()
    assert {f"{name}-nats" for name in local.BROKER_USERS} <= made.keys()
    passwords = [each["password"] for name, each in made.items() if "password" in each]
    assert len(set(passwords)) == len(passwords)


def test_who_looks_at_numbers_has_the_password_that_the_stores_know() -> None:
    made = secrets()
    password = made["stores-monitor"]["password"]
    assert urlsplit(made["stores-monitoring"]["postgres-url"]).password == password
    assert urlsplit(made["stores-monitoring"]["redis-url"]).username == "monitoring"


def test_without_being_asked_no_secret_is_made() -> None:
    values = {**ALL, "secrets": {"generate": False}}
    documents = yaml.safe_load_all(chart.render(values))
    assert not [document for document in documents if document and document["kind"] == "Secret"]


def test_only_keys_are_made_up_for_stores_that_are_elsewhere() -> None:
    documents = yaml.safe_load_all(chart.render({"secrets": {"generate": True}}))
    made = {each["metadata"]["name"] for each in documents if each and each["kind"] == "Secret"}
    assert made == {"users-keys", "web-keys", "service-token"}


def test_a_secret_may_have_another_name() -> None:
    names = {"users-database": "from-the-vault", "users-keys": "keys-of-users"}
    documents = [each for each in yaml.safe_load_all(chart.render({"secrets": {"names": names}})) if each]
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    pod = found["Deployment", "users-v1"]["spec"]["template"]["spec"]
    volumes = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    assert volumes["users-database"] == "from-the-vault"
    assert volumes["users-keys"] == "keys-of-users"
    assert volumes["users-nats"] == "users-nats"
    assert {"name": "DATABASE_URL_FILE", "value": "/etc/delinkcious/secrets/users-database/url"} in pod[
        "containers"
    ][0]["env"]


def test_the_first_migration_does_not_keep_the_stores_from_being_installed() -> None:
    jobs = of_kind("Job", "dev")
    for service in local.DATABASES:
        first = jobs[f"{service}-migrate-first"]
        assert "helm.sh/hook" not in first["metadata"]["annotations"]
        assert jobs[f"{service}-migrate-post"]["metadata"]["annotations"]["helm.sh/hook"]
        volumes = first["spec"]["template"]["spec"]["volumes"]
        assert [volume["name"] for volume in volumes] == [f"{service}-database"]
    elsewhere = [each for each in yaml.safe_load_all(chart.render()) if each and each["kind"] == "Job"]
    assert all("helm.sh/hook" in each["metadata"]["annotations"] for each in elsewhere)


def test_the_certificate_is_for_the_gateway_as_the_smoke_test_calls_it() -> None:
    made = {name: each["stringData"] for name, each in of_kind("Secret", "dev").items()}
    pair = made["delinkcious-tls"]
    certificate = x509.load_pem_x509_certificate(pair["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (container,) = of_kind("Pod", "dev")["smoke"]["spec"]["containers"]
    (server,) = (part for part in container["args"] if part.startswith("--server="))
    host = urlsplit(server.removeprefix("--server=")).hostname
    assert host in names.get_values_for_type(x509.DNSName)
    assert "--ca=/etc/delinkcious/ca/ca.crt" in container["args"]
    authority = x509.load_pem_x509_certificate(made["delinkcious-ca"]["ca.crt"].encode())
    certificate.verify_directly_issued_by(authority)
    key = load_pem_private_key(pair["tls.key"].encode(), None)
    assert key.public_key() == certificate.public_key()


def test_several_of_each_are_told_of_each_other() -> None:
    nats, redis = of_kind("StatefulSet", "ha")["nats"], of_kind("StatefulSet", "ha")["redis"]
    (container,) = nats["spec"]["template"]["spec"]["containers"]
    routes = container["args"][-1].split(",")
    assert len(routes) == nats["spec"]["replicas"] == 3
    assert nats["spec"]["serviceName"] == "nats-peers" and "@nats-2.nats-peers:6222" in routes[2]
    assert redis["spec"]["replicas"] == 3
    cluster = of_kind("Cluster", "ha")["postgres"]["spec"]
    assert cluster["instances"] == 3
    assert {role["name"] for role in cluster["managed"]["roles"]} == set(local.DATABASES)
    assert {each["spec"]["owner"] for each in of_kind("Database", "ha").values()} == set(local.DATABASES)
    assert of_kind("ScheduledBackup", "ha")
    assert {"nats", "redis"} <= of_kind("PodDisruptionBudget", "ha").keys()


@pytest.mark.parametrize("name", ["all", "dev", "ha"])
def test_every_service_finds_pods_and_their_ports(name: str) -> None:
    templates = [template for _, template in pods(name)]
    for service in of_kind("Service", name).values():
        if service["metadata"]["namespace"] != chart.NAMESPACE:
            continue
        selector = service["spec"]["selector"].items()
        chosen = [each for each in templates if selector <= each["metadata"]["labels"].items()]
        assert chosen, service["metadata"]["name"]
        for template in chosen:
            ports = {port["name"] for each in template["spec"]["containers"] for port in each["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_whoever_makes_load_trusts_the_certificate_that_is_made_up() -> None:
    values = {**ALL, "gateway": {"certificate": {"generate": True}}}
    documents = [each for each in yaml.safe_load_all(chart.render(values)) if each]
    made = {each["metadata"]["name"]: each["stringData"] for each in documents if each["kind"] == "Secret"}
    assert made["canary-load"]["ca.crt"] == made["delinkcious-ca"]["ca.crt"]
    assert made["delinkcious-tls"]["ca.crt"] == made["delinkcious-ca"]["ca.crt"]
    assert secrets()["canary-load"].keys() == {"password"}


def test_a_database_may_stand_under_another_key_and_be_backed_up_all_the_same() -> None:
    mine = {"users-database": None, "mine": {"dsn": "DATABASE_URL_FILE"}}
    values = {**ALL, "services": {"users": {"secrets": mine}}}
    documents = [each for each in yaml.safe_load_all(chart.render(values)) if each]
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert found["Secret", "mine"]["stringData"]["dsn"].startswith("postgresql://users:")
    pod = found["CronJob", "postgres-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (volume,) = (each["secret"] for each in pod["volumes"] if each["name"] == "users-database")
    assert (volume["secretName"], volume["items"]) == ("mine", [{"key": "dsn", "path": "url"}])


def test_what_has_another_name_is_somebody_elses_to_make() -> None:
    documents = yaml.safe_load_all(
        chart.render({**ALL, "secrets": {"generate": True, "names": {"web-keys": "ours"}}})
    )
    made = {each["metadata"]["name"] for each in documents if each and each["kind"] == "Secret"}
    assert not {"web-keys", "ours"} & made and "users-keys" in made
