"""How the API server and this node know each other: an authority of one start, a certificate for each."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.local.runtime.ca import CLOCK_SKEW, key_usage, private_pem
from mesh.local.runtime.state import write_atomically

LIFETIME = timedelta(days=365)  # longer than any start; the next one makes others
NODE, SERVER = "node", "server"


def make(folder: Path, address: str) -> None:
    """Write `ca.pem` and, for the node at `address` and for the API server, `NAME.pem` and `NAME.key`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("delinkcious-node", key, None, None)
    write_atomically(folder / "ca.pem", _pem(root))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    for name, names in ((NODE, here), (SERVER, None)):
        own = ec.generate_private_key(ec.SECP256R1())
        write_atomically(folder / f"{name}.pem", _pem(_certificate(name, own, (root, key), names)))
        write_atomically(folder / f"{name}.key", private_pem(own))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    """One by an issuer, or by itself, which may issue others then."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signs = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=signs, path_length=0 if signs else None), critical=True)
        .add_extension(key_usage(signs_certificates=signs), critical=True)
    )
    if not signs:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
