"""Transport sockets: mutual TLS inside the mesh, whose certificates Envoy reads from SDS files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import certifi

from mesh.local import files
from mesh.local.envoy.mesh_config import MeshConfig
from mesh.local.model import Json
from mesh.local.schema.gateway import CIPHER_SUITES

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


def mesh_server(folder: Path, mesh: MeshConfig) -> Json:
    """The inbound side: a certificate of the mesh's trust domain, or of an alias of it, is demanded."""
    sans = [
        {"san_type": "URI", "matcher": {"prefix": f"spiffe://{domain}/"}} for domain in mesh.trust_domains
    ]
    common = identity(folder, sans, ["h2", "http/1.1"])
    written = mesh.raw.get("meshMTLS") or {}
    common["tls_params"]["cipher_suites"] = list(written.get("cipherSuites") or CIPHERS)
    if written.get("minProtocolVersion") == "TLSV1_3":
        common["tls_params"]["tls_minimum_protocol_version"] = "TLSv1_3"
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


def from_rule(
    folder: Path, written: Json, sni: str, principals: Sequence[str], mesh: MeshConfig, *, http2: bool
) -> Json:
    """The `tls` block of a DestinationRule as fields of a cluster."""
    mode = written.get("mode", "DISABLE")
    if mode == "ISTIO_MUTUAL":
        names = written.get("subjectAltNames") or principals
        return {"transport_socket": mesh_client(folder, written.get("sni") or sni, names, http2=http2)}
    if mode not in ("SIMPLE", "MUTUAL"):
        return {}
    common: Json = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}}
    for key, field in (("cipherSuites", "cipher_suites"), ("ecdhCurves", "ecdh_curves")):
        if default := (mesh.raw.get("tlsDefaults") or {}).get(key):
            common["tls_params"][field] = default
    if http2:
        common["alpn_protocols"] = ["h2"]
    if credential := written.get("credentialName"):
        common |= _from_credential(folder, written, str(credential))
    elif not written.get("insecureSkipVerify"):
        common["validation_context"] = _validation(written)
    if mode == "MUTUAL" and not credential:
        chain, key = written.get("clientCertificate", ""), written.get("privateKey", "")
        pair = {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}
        common["tls_certificates"] = [pair]
    context: Json = {"common_tls_context": common}
    if written.get("sni"):
        context["sni"] = written["sni"]
    return {"transport_socket": upstream(context)}


def _from_credential(folder: Path, written: Json, credential: str) -> Json:
    """What a Secret holds for the client's side: the authority to trust, and for MUTUAL its certificate."""
    made: Json = {}
    if written["mode"] == "MUTUAL":
        own = secret(folder, files.credential(credential))
        made["tls_certificate_sds_secret_configs"] = [own]
    if not written.get("insecureSkipVerify"):
        made["combined_validation_context"] = {
            "default_validation_context": _names(written),
            "validation_context_sds_secret_config": secret(folder, files.credential_authority(credential)),
        }
    return made


def by_host(written: Json | None) -> Json:
    """UpstreamHttpProtocolOptions: SNI and the name to check are the request's Host unless written."""
    if (written or {}).get("mode") not in ("SIMPLE", "MUTUAL") or not written or written.get("sni"):
        return {}
    names = bool(written.get("subjectAltNames")) or bool(written.get("insecureSkipVerify"))
    return {"auto_sni": True} if names else {"auto_sni": True, "auto_san_validation": True}


def _validation(written: Json) -> Json:
    authority = written.get("caCertificates") or "system"
    trusted = {"trusted_ca": {"filename": certifi.where() if authority == "system" else authority}}
    return {**trusted, **_names(written)}


def _names(written: Json) -> Json:
    """The names of which the other side's certificate must have one."""
    sans = [
        {"san_type": kind, "matcher": {"exact": name}}
        for name in written.get("subjectAltNames") or []
        for kind in ("DNS", "URI")
    ]
    return {"match_typed_subject_alt_names": sans} if sans else {}


def gateway_server(folder: Path, written: Json, mesh: MeshConfig) -> Json:
    """The `tls` block of a Gateway's server; its certificate is a Secret, or files named there."""
    mode = written.get("mode", "SIMPLE")
    if mode == "ISTIO_MUTUAL":
        return mesh_server(folder, mesh)
    params: Json = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    defaults = mesh.raw.get("tlsDefaults") or {}
    if version := _VERSIONS.get(defaults.get("minProtocolVersion", "")):
        params["tls_minimum_protocol_version"] = version
    for key, field in (
        ("minProtocolVersion", "tls_minimum_protocol_version"),
        ("maxProtocolVersion", "tls_maximum_protocol_version"),
    ):
        if version := _VERSIONS.get(written.get(key, "")):
            params[field] = version
    suites = dict.fromkeys(suite for suite in written.get("cipherSuites") or [] if suite in CIPHER_SUITES)
    params["cipher_suites"] = list(suites or defaults.get("cipherSuites") or CIPHERS)
    if curves := defaults.get("ecdhCurves"):
        params["ecdh_curves"] = curves
    common: Json = {"alpn_protocols": ["h2", "http/1.1"], "tls_params": params}
    if credentials := credentials_of(written):
        common["tls_certificate_sds_secret_configs"] = [
            secret(folder, files.credential(name)) for name in credentials
        ]
    else:
        common["tls_certificates"] = [
            {
                "certificate_chain": {"filename": pair.get("serverCertificate", "")},
                "private_key": {"filename": pair.get("privateKey", "")},
            }
            for pair in written.get("tlsCertificates") or [written]
        ]
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL"):
        common.update(_client_validation(folder, written))
    context: Json = {"common_tls_context": common}
    if mode == "MUTUAL":
        context["require_client_certificate"] = True
    return downstream(context)


def credentials_of(written: Json) -> list[str]:
    """The Secrets with a server's certificates: one, or one for each kind of key."""
    names = written.get("credentialNames") or [written.get("credentialName")]
    return [str(name) for name in names if name]


def authority_of(written: Json) -> str | None:
    """The Secret with the authority of a server's clients."""
    if name := written.get("caCertCredentialName"):
        return str(name).removesuffix("-cacert")
    return next(iter(credentials_of(written)), None)


def _client_validation(folder: Path, written: Json) -> Json:
    names = _names(written)
    for key, field in (
        ("verifyCertificateSpki", "verify_certificate_spki"),
        ("verifyCertificateHash", "verify_certificate_hash"),
    ):
        if written.get(key):
            names[field] = written[key]
    if written.get("insecureSkipVerify"):
        names["trust_chain_verification"] = "ACCEPT_UNTRUSTED"
    if credential := authority_of(written):
        authority = secret(folder, files.credential_authority(credential))
        return {
            "combined_validation_context": {
                "default_validation_context": names,
                "validation_context_sds_secret_config": authority,
            }
        }
    return {"validation_context": {"trusted_ca": {"filename": written.get("caCertificates", "")}, **names}}


_VERSIONS = {"TLSV1_0": "TLSv1_0", "TLSV1_1": "TLSv1_1", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


def spoken(cluster: Json) -> str:
    """How connections of a cluster are secured, in words: `mutual TLS`, `TLS` or `plain text`."""
    if "transport_socket_matches" in cluster:
        return "mutual TLS"
    config = (cluster.get("transport_socket") or {}).get("typed_config") or {}
    if "transport_socket" in config:  # inside of another, as under a PROXY header
        return spoken(config)
    context = config.get("common_tls_context")
    if context is None:
        return "plain text"
    own = ("tls_certificate_sds_secret_configs", "tls_certificates")
    return "mutual TLS" if any(context.get(field) for field in own) else "TLS"
