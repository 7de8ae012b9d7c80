"""The local certificate authority: one root per mesh, a short-lived certificate per service account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.local import files
from mesh.local.model import Json
from mesh.local.runtime.state import State, write_atomically

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ROOT_LIFETIME = timedelta(days=365)
ROOT_RENEWED_BEFORE = timedelta(days=30)  # at a start of the mesh; nobody else trusts this root
LEAF_LIFETIME = timedelta(hours=6)
CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class Identity:
    """A certificate chain with its key, both PEM; to be replaced at `renew_at`."""

    chain: str
    key: str
    renew_at: datetime
    serial: int


class Authority:
    """Signs SPIFFE certificates with the root of a state folder (`root.pem`, `root.key`, 0600)."""

    def __init__(self, state: State, leaf_lifetime: timedelta = LEAF_LIFETIME) -> None:
        self._leaf_lifetime = leaf_lifetime
        self._key, self._root = _load(state) or _create(state)
        self.root_pem = self._root.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, principal: str) -> Identity:
        """A new key and certificate named `spiffe://PRINCIPAL` alone; renewed at half its life."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{principal}")])
        issuer_key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + self._leaf_lifetime)
            .add_extension(name, critical=True)  # RFC 5280: critical, since the subject is empty
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(issuer_key_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM).decode()
        renew_at = now + self._leaf_lifetime / 2
        return Identity(chain, private_pem(key).decode(), renew_at, certificate.serial_number)


def identity_secret(name: str, chain: str, key: str) -> bytes:
    """The SDS file of a certificate and its key, in one piece so that they change together."""
    certificate: Json = {
        "certificate_chain": {"inline_string": chain},
        "private_key": {"inline_string": key},
    }
    return files.response("Secret", {name: {"name": name, "tls_certificate": certificate}})


def root_secret(name: str, root: str) -> bytes:
    """The SDS file of the certificates to trust."""
    return files.response(
        "Secret", {name: {"name": name, "validation_context": {"trusted_ca": {"inline_string": root}}}}
    )


def _load(state: State) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
    try:
        key = serialization.load_pem_private_key((state.ca / "root.key").read_bytes(), password=None)
        root = x509.load_pem_x509_certificate((state.ca / "root.pem").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != root.public_key():
        return None
    if root.not_valid_after_utc - datetime.now(UTC) < ROOT_RENEWED_BEFORE:
        return None
    return key, root


def _create(state: State) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(state.ca / "root.key", private_pem(key))
    write_atomically(state.ca / "root.pem", root.public_bytes(serialization.Encoding.PEM))
    return key, root


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What a certificate is for: signing others, or TLS."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def private_pem(key: PrivateKey) -> bytes:
    """A key as PEM (PKCS 8), not encrypted: it belongs into a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
