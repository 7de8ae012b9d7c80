"""The public certificate of a local installation: an authority of its own, trusted by nobody until told.

It is not the mesh's authority: whoever trusts this one for the web page must not thereby trust workloads.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from delinkcious.secrets import write_private
from mesh.local.runtime.ca import key_usage, private_pem

AUTHORITY_LIFETIME = timedelta(days=365)
SERVER_LIFETIME = timedelta(days=30)
RENEWED_BEFORE = timedelta(days=10)  # at a start: the longest that one start is expected to run


def authority_file(folder: Path) -> Path:
    """The certificate that clients are told to trust (`curl --cacert`)."""
    return folder / "ca.pem"


def server_certificate(folder: Path, hosts: Sequence[str]) -> tuple[str, str]:
    """The PEM chain and key of a server certificate for `hosts` (names or addresses), kept in `folder`.

    The one made before serves as long as it is for the same hosts and not about to expire.
    """
    names = [_name(host) for host in hosts]
    certificate, key = folder / "server.pem", folder / "server.key"
    authority_key, authority = _authority(folder)
    if key.exists() and certificate.exists():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        if _names(known) == names and known.issuer == authority.subject and _lasts(known):
            return certificate.read_text(), key.read_text()
    new_key = ec.generate_private_key(ec.SECP256R1())
    new = _certificate(new_key.public_key(), names, authority_key, authority, SERVER_LIFETIME)
    write_private(key, private_pem(new_key))
    write_private(certificate, new.public_bytes(serialization.Encoding.PEM))
    return certificate.read_text(), key.read_text()


def short_lived(folder: Path, lifetime: timedelta) -> tuple[str, str]:
    """PEM chain and key like those in use, by the same authority, that end earlier; kept nowhere."""
    known = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    authority_key, authority = _authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    new = _certificate(key.public_key(), _names(known), authority_key, authority, lifetime)
    return new.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key).decode()


def _authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file = folder / "ca.key"
    if key_file.exists() and authority_file(folder).exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(authority_file(folder).read_bytes())
        if isinstance(key, ec.EllipticCurvePrivateKey) and _lasts(certificate):
            return key, certificate
    key = ec.generate_private_key(ec.SECP256R1())
    # The random part keeps a renewed authority apart from the one before.
    title = f"Delinkcious on this machine {secrets.token_hex(4)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    certificate = (
        _builder(key.public_key(), name, name, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, private_pem(key))
    write_private(authority_file(folder), certificate.public_bytes(serialization.Encoding.PEM))
    return key, certificate


def _certificate(
    public_key: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    lifetime: timedelta,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Delinkcious")])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(public_key, subject, authority.subject, lifetime)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    public_key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _lasts(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEWED_BEFORE
