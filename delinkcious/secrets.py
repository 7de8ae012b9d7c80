"""The secrets of one local installation: made once, kept with mode 0600, handed over as Secret manifests.

On Kubernetes the same Secrets come from an operator; the chart only names them.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from delinkcious.chart import NAMESPACE

Manifest = dict[str, Any]


class LocalSecrets(msgspec.Struct, frozen=True):
    """Database passwords by service, and the key that encrypts signing keys at rest (32 bytes, base64)."""

    databases: dict[str, str]
    key_encryption_key: str

    @classmethod
    def load_or_create(cls, file: Path, services: tuple[str, ...]) -> LocalSecrets:
        """The secrets in `file`; what is not there yet is made up and added."""
        known = msgspec.json.decode(file.read_bytes(), type=LocalSecrets) if file.exists() else None
        databases = dict(known.databases) if known else {}
        for service in services:
            databases.setdefault(service, secrets.token_urlsafe(24))
        key = known.key_encryption_key if known else base64.b64encode(secrets.token_bytes(32)).decode()
        complete = cls(databases, key)
        if complete != known:
            write_private(file, msgspec.json.encode(complete))
        return complete

    def manifests(self, database_urls: Mapping[str, str]) -> list[Manifest]:
        """The Secrets that helm/delinkcious refers to."""
        stored = [secret(f"{service}-database", {"url": url}) for service, url in database_urls.items()]
        return [*stored, secret("users-keys", {"key-encryption-key": self.key_encryption_key})]


def secret(
    name: str, values: Mapping[str, str], *, namespace: str = NAMESPACE, kind: str = "Opaque"
) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "stringData": dict(values),
    }


def write_manifests(file: Path, manifests: list[Manifest]) -> None:
    write_private(file, yaml.safe_dump_all(manifests, sort_keys=False).encode())


def write_private(file: Path, content: bytes) -> None:
    """Replace `file` as a whole; nobody but its owner can read it, not even while it is written."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
