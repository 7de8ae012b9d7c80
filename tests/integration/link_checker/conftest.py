"""Sites of strangers, and certificates for them."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.kit.db import Database, open_pool
from services.kit.settings import Secret, ServiceSettings
from tests.conftest import MigratedDatabase
from tests.integration.link_checker.site import Answer, Site, serving


class NewSite(Protocol):
    """Starts a server that lasts as long as the test."""

    async def __call__(
        self, answers: dict[str, Answer], host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> Site: ...


@pytest.fixture
async def new_site() -> AsyncIterator[NewSite]:
    async with AsyncExitStack() as stack:

        async def start(
            answers: dict[str, Answer], host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
        ) -> Site:
            return await stack.enter_async_context(serving(Site(answers), host, tls))

        yield start


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[str], tuple[ssl.SSLContext, ssl.SSLContext]]:
    """For a name: a server's context with a certificate of it, and the context of a client that trusts it."""

    def make(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / f"{name}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(file)
        return server, ssl.create_default_context(cafile=str(file))

    return make


@pytest.fixture
async def database_url(migrated_database: MigratedDatabase) -> str:
    return await migrated_database("services.link_checker")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    # Hundreds at once wait for ten connections: on a busy machine longer than a caller of a service would.
    settings = ServiceSettings(database_url=Secret(database_url), database_acquire_timeout_s=60.0)
    async with open_pool(settings) as opened:
        yield opened
