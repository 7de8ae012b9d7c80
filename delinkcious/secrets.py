"""The secrets of one local installation: made once, kept with mode 0600, handed over as Secret manifests.

On Kubernetes the same Secrets come from an operator; the chart only names them.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from delinkcious.chart import NAMESPACE

Manifest = dict[str, Any]


class LocalSecrets(msgspec.Struct, frozen=True):
    """Passwords of databases and of the broker by service, and what services share.

    `monitoring` is the password of who may look at the stores' numbers; of `background` those of the accounts
    of background traffic are made.

    `key_encryption_key` (32 bytes, base64) encrypts signing keys at rest, `cookie_key` signs cookies,
    `service_token` is what services show each other.
    """

    databases: dict[str, str]
    key_encryption_key: str
    broker: dict[str, str] = {}
    redis: str = ""
    service_token: str = ""
    cookie_key: str = ""
    monitoring: str = ""
    background: str = ""

    @classmethod
    def load_or_create(cls, file: Path, databases: Iterable[str], broker: Iterable[str]) -> LocalSecrets:
        """The secrets in `file`; what is not there yet is made up and added."""
        known = cls._known(file)
        complete = known.completed(databases, broker)
        if complete != known:
            write_private(file, msgspec.json.encode(complete))
        return complete

    @classmethod
    def load(cls, file: Path, databases: Iterable[str], broker: Iterable[str]) -> LocalSecrets:
        """As `load_or_create`, but the file stays as it is."""
        return cls._known(file).completed(databases, broker)

    @classmethod
    def _known(cls, file: Path) -> LocalSecrets:
        return msgspec.json.decode(file.read_bytes(), type=LocalSecrets) if file.exists() else cls({}, "")

    def completed(self, databases: Iterable[str], broker: Iterable[str]) -> LocalSecrets:
        """These, with those made up that are not there."""
        return LocalSecrets(
            _with_passwords(self.databases, databases),
            self.key_encryption_key or base64.b64encode(secrets.token_bytes(32)).decode(),
            _with_passwords(self.broker, broker),
            self.redis or secrets.token_urlsafe(24),
            self.service_token or secrets.token_urlsafe(32),
            self.cookie_key or secrets.token_urlsafe(32),
            self.monitoring or secrets.token_urlsafe(24),
            self.background or secrets.token_urlsafe(24),
        )

    def manifests(self) -> list[Manifest]:
        """Those Secrets of helm/delinkcious that name no address."""
        return [
            secret("users-keys", {"key-encryption-key": self.key_encryption_key}),
            secret("service-token", {"token": self.service_token}),
            secret("web-keys", {"cookie-key": self.cookie_key}),
        ]


def addresses(kind: str, urls: Mapping[str, str]) -> list[Manifest]:
    """The Secrets `SERVICE-kind` that say where a service's store is, its password included."""
    return [secret(f"{service}-{kind}", {"url": url}) for service, url in urls.items()]


def _with_passwords(known: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {**known, **{name: secrets.token_urlsafe(24) for name in names if name not in known}}


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
