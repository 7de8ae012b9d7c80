"""The local authority: one root per state folder, short-lived SPIFFE certificates."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from mesh.local.runtime.ca import Authority, identity_secret
from mesh.local.runtime.state import State

PRINCIPAL = "cluster.local/ns/default/sa/reviews"


def _authority(folder: Path, **options: timedelta) -> Authority:
    state = State(folder)
    state.create()
    return Authority(state, **options)


def test_a_certificate_names_its_principal_and_nothing_else(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    leaf = x509.load_pem_x509_certificate(authority.issue(PRINCIPAL).chain.encode())
    root = x509.load_pem_x509_certificate(authority.root_pem.encode())
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"spiffe://{PRINCIPAL}")]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_is_renewed_at_half_its_life(tmp_path: Path) -> None:
    authority = _authority(tmp_path, leaf_lifetime=timedelta(hours=2))
    left = authority.issue(PRINCIPAL).renew_at - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


def test_the_root_is_kept_and_private(tmp_path: Path) -> None:
    assert _authority(tmp_path).root_pem == _authority(tmp_path).root_pem
    assert (tmp_path / "ca" / "root.key").stat().st_mode & 0o777 == 0o600


def test_a_damaged_root_is_made_anew(tmp_path: Path) -> None:
    before = _authority(tmp_path).root_pem
    (tmp_path / "ca" / "root.key").write_text("damaged")
    assert _authority(tmp_path).root_pem != before


def test_certificate_and_key_change_in_one_file(tmp_path: Path) -> None:
    identity = _authority(tmp_path).issue(PRINCIPAL)
    [secret] = json.loads(identity_secret("default", identity.chain, identity.key))["resources"]
    assert secret["tls_certificate"]["certificate_chain"]["inline_string"] == identity.chain
    assert secret["tls_certificate"]["private_key"]["inline_string"] == identity.key
