"""A certificate authority for tests: mesh identities and server certificates, as Envoy's SDS files."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh.local import files


class Authority:
    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(basic, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def root(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, sans: list[x509.GeneralName]) -> tuple[str, str]:
        """A certificate with its chain, and its key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key).add_extension(
            x509.SubjectAlternativeName(sans), critical=True
        )
        certificate = (
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate, pem.decode()

    def write_identity(self, folder: Path, principal: str) -> None:
        self._write(folder, files.IDENTITY_SECRET, *self.issue([x509.UniformResourceIdentifier(principal)]))
        trusted = {"trusted_ca": {"inline_string": self.root}}
        self._put(folder, files.ROOT_SECRET, {"validation_context": trusted})

    def write_server(self, folder: Path, secret: str, names: list[str]) -> None:
        self._write(folder, secret, *self.issue([x509.DNSName(name) for name in names]))

    def write_trusted(self, folder: Path, secret: str) -> None:
        self._put(folder, secret, {"validation_context": {"trusted_ca": {"inline_string": self.root}}})

    def _write(self, folder: Path, secret: str, certificate: str, key: str) -> None:
        pair = {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
        self._put(folder, secret, {"tls_certificate": pair})

    def _put(self, folder: Path, secret: str, body: dict[str, object]) -> None:
        path = folder / files.secret(secret)
        path.write_bytes(files.response("Secret", {secret: {"name": secret, **body}}))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )


def version_of(path: Path) -> str:
    return str(msgspec.json.decode(path.read_bytes())["version_info"])
