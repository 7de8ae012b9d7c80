"""Transport sockets: mutual TLS inside the mesh, whose certificates Envoy reads from SDS files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mesh.local import files
from mesh.local.model import TRUST_DOMAIN, Json

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
RAW_BUFFER: Json = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    },
}
# Istio's own list: forward secrecy and authenticated encryption only.
CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
MESH_ALPN = "istio"  # istio-peer-exchange stands before it only where Istio's own filters exist


def secret(folder: Path, name: str) -> Json:
    return {"name": name, "sds_config": files.config_source(folder, files.secret(name))}


def identity(folder: Path, sans: Sequence[Json], alpn: Sequence[str]) -> Json:
    """The common context of a proxy that shows its own certificate and checks the peer's names."""
    return {
        "tls_certificate_sds_secret_configs": [secret(folder, files.IDENTITY_SECRET)],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": list(sans)} if sans else {},
            "validation_context_sds_secret_config": secret(folder, files.ROOT_SECRET),
        },
        "alpn_protocols": list(alpn),
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
    }


def mesh_server(folder: Path) -> Json:
    """The inbound side: a certificate of the same trust domain is demanded."""
    san = {"san_type": "URI", "matcher": {"prefix": f"spiffe://{TRUST_DOMAIN}/"}}
    common = identity(folder, [san], ["h2", "http/1.1"])
    common["tls_params"]["cipher_suites"] = list(CIPHERS)
    return downstream({"common_tls_context": common, "require_client_certificate": True})


def mesh_client(folder: Path, sni: str, principals: Sequence[str], *, http2: bool) -> Json:
    """The outbound side of mutual TLS; the server must be one of `principals` (all, when none is known)."""
    sans = [{"san_type": "URI", "matcher": {"exact": principal}} for principal in principals]
    alpn = [MESH_ALPN, "h2"] if http2 else [MESH_ALPN]
    return upstream({"common_tls_context": identity(folder, sans, alpn), "sni": sni})


def downstream(context: Json) -> Json:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TLS}.DownstreamTlsContext", **context},
    }


def upstream(context: Json) -> Json:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TLS}.UpstreamTlsContext", **context},
    }
