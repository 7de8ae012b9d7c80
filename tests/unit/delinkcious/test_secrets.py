from __future__ import annotations

from pathlib import Path

from delinkcious.secrets import LocalSecrets


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "state" / "secrets.json"
    first = LocalSecrets.load_or_create(file, ("users", "links"))
    assert LocalSecrets.load_or_create(file, ("users", "links")) == first
    assert file.stat().st_mode & 0o077 == 0
    assert first.databases["users"] != first.databases["links"]


def test_a_service_that_comes_later_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = LocalSecrets.load_or_create(file, ("users",))
    second = LocalSecrets.load_or_create(file, ("users", "news"))
    assert second.databases["users"] == first.databases["users"]
    assert second.databases["news"]
    assert second.key_encryption_key == first.key_encryption_key


def test_the_manifests_are_the_secrets_that_the_chart_names(tmp_path: Path) -> None:
    secrets = LocalSecrets.load_or_create(tmp_path / "secrets.json", ("users", "links"))
    manifests = secrets.manifests({"users": "postgresql://u", "links": "postgresql://l"})
    named = {manifest["metadata"]["name"]: set(manifest["stringData"]) for manifest in manifests}
    assert named == {
        "users-database": {"url"},
        "links-database": {"url"},
        "users-keys": {"key-encryption-key"},
    }
