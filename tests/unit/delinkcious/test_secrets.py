from __future__ import annotations

from pathlib import Path

import yaml

from delinkcious import local
from delinkcious.chart import CHART
from delinkcious.secrets import LocalSecrets, addresses
from delinkcious.stores.nats import OPERATOR


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "state" / "secrets.json"
    first = LocalSecrets.load_or_create(file, ("users", "links"), ("users",))
    assert LocalSecrets.load_or_create(file, ("users", "links"), ("users",)) == first
    assert file.stat().st_mode & 0o077 == 0
    assert first.databases["users"] != first.databases["links"]


def test_a_service_that_comes_later_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = LocalSecrets.load_or_create(file, ("users",), ())
    second = LocalSecrets.load_or_create(file, ("users", "news"), ("news",))
    assert second.databases["users"] == first.databases["users"]
    assert second.databases["news"]
    assert second.key_encryption_key == first.key_encryption_key


def test_the_secrets_made_here_are_those_that_the_chart_names(tmp_path: Path) -> None:
    secrets = LocalSecrets.load_or_create(tmp_path / "secrets.json", local.DATABASES, local.BROKER_USERS)
    made = secrets.manifests()
    for kind, names in {
        "database": local.DATABASES,
        "nats": local.BROKER_USERS,
        "redis": local.WITH_REDIS,
    }.items():
        made += addresses(kind, dict.fromkeys(names, "somewhere"))
    given = {manifest["metadata"]["name"]: set(manifest["stringData"]) for manifest in made}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for service in values["services"].values():
        for name, keys in service["secrets"].items():
            assert set(keys) <= given[name], name
    unused = {name for name in given if not any(name in s["secrets"] for s in values["services"].values())}
    assert unused == {f"{OPERATOR}-nats"}
