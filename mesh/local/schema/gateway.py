"""Gateway."""

from __future__ import annotations

import re

from mesh.local.model import Json
from mesh.local.schema.http_match import PORT
from mesh.local.schema.language import ANY_TEXT, BOOL, UINT32, Enum, ListOf, Message, Text, later
from mesh.local.schema.report import At
from mesh.local.schema.selectors import LABELS
from mesh.local.schema.text import NOT_EMPTY, gateway_host, is_ip, is_label

CIPHER_SUITES = frozenset(
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ]
)
_HTTP = frozenset({"http", "http2", "grpc", "grpc-web", "http_proxy"})
_TLS = frozenset({"https", "tls"})
_LATER = frozenset({"mongo", "redis", "mysql", "http_proxy"})
_OWN_CERTIFICATE = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_VERSIONS = ("TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
_CERTIFICATES = (
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "tlsCertificates",
    "credentialName",
    "credentialNames",
)
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


def _is_address(text: str) -> str | None:
    return None if not text or is_ip(text) else f"{text} is not a valid IP"


def _certificates(tls: Json, at: At) -> None:
    """Each mode's certificates: ISTIO_MUTUAL brings its own, the others name a Secret or files."""
    mode = tls.get("mode", "PASSTHROUGH")
    if mode == "ISTIO_MUTUAL":
        for name in _CERTIFICATES:
            if tls.get(name):
                (at / name).error(f"ISTIO_MUTUAL TLS cannot have associated {name}")
        return
    if mode == "PASSTHROUGH" and any(tls.get(name) for name in _CERTIFICATES):
        at.warning("PASSTHROUGH mode does not use certificates, they will be ignored")
    sources = [name for name in ("credentialName", "credentialNames", "tlsCertificates") if tls.get(name)]
    sources += ["serverCertificate"] if tls.get("serverCertificate") and tls.get("privateKey") else []
    if len(sources) > 1:
        at.error(
            "only one of credentialName, credentialNames, serverCertificate/privateKey, tlsCertificates "
            "should be specified"
        )
    if mode in _OWN_CERTIFICATE and not tls.get("credentialName") and not tls.get("credentialNames"):
        _files(tls, at, mode)


def _files(tls: Json, at: At, mode: str) -> None:
    prefix = "SIMPLE TLS" if mode == "SIMPLE" else "MUTUAL TLS"
    if mode != "SIMPLE" and not tls.get("caCertificates"):
        (at / "caCertificates").error(f"{prefix} requires a client CA bundle")
    pairs = [(at / "tlsCertificates" / n, pair) for n, pair in enumerate(tls.get("tlsCertificates") or [])]
    for place, pair in pairs or [(at, tls)]:
        for name, what in (("serverCertificate", "a server certificate"), ("privateKey", "a private key")):
            if not pair.get(name):
                (place / name).error(f"{prefix} requires {what}")


def _ciphers(tls: Json, at: At) -> None:
    seen: set[str] = set()
    for index, suite in enumerate(tls.get("cipherSuites") or []):
        if suite in seen:
            (at / "cipherSuites" / index).warning(f"ignoring duplicate cipher suite: {suite}")
        elif suite not in CIPHER_SUITES:
            (at / "cipherSuites" / index).warning(f"ignoring invalid cipher suite: {suite}")
        seen.add(suite)
    old = tls.get("minProtocolVersion") in ("TLSV1_0", "TLSV1_1")
    if old and not tls.get("cipherSuites"):
        (at / "minProtocolVersion").warning("TLS version below TLSV1_2 require setting compatible ciphers")


def _version_range(tls: Json, at: At) -> None:
    low, high = tls.get("minProtocolVersion", "TLS_AUTO"), tls.get("maxProtocolVersion", "TLS_AUTO")
    if "TLS_AUTO" not in (low, high) and low in _VERSIONS and high in _VERSIONS and low > high:
        (at / "maxProtocolVersion").error(f"{high} is below minProtocolVersion {low}")


def _key_digest(text: str) -> str | None:
    matched = re.fullmatch(r"[A-Za-z0-9+/]{43}=", text, re.ASCII)
    return None if matched else "is no SHA-256 in base64"


def _certificate_digest(text: str) -> str | None:
    matched = re.fullmatch(r"[0-9a-fA-F]{64}|(?:[0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2}", text, re.ASCII)
    return None if matched else "is no SHA-256 in hexadecimal"


def _authority_name(text: str) -> str | None:
    if not text or text.endswith("-cacert"):
        return None
    return "must end with -cacert; Istio would accept this, and every client's certificate with it"


_PAIR = Message({"serverCertificate": ANY_TEXT, "privateKey": ANY_TEXT, "caCertificates": later(ANY_TEXT)})
SERVER_TLS = Message(
    {
        "mode": Enum(
            "PASSTHROUGH", "SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL", later=("AUTO_PASSTHROUGH",)
        ),
        "httpsRedirect": BOOL,
        "credentialName": ANY_TEXT,
        "serverCertificate": ANY_TEXT,
        "privateKey": ANY_TEXT,
        "caCertificates": ANY_TEXT,
        "minProtocolVersion": Enum(*_VERSIONS),
        "maxProtocolVersion": Enum(*_VERSIONS),
        "cipherSuites": ListOf(ANY_TEXT),
        "subjectAltNames": ListOf(ANY_TEXT),
        "caCertCredentialName": Text(_authority_name),
        "caCrl": later(ANY_TEXT),
        "credentialNames": ListOf(NOT_EMPTY, most=2),
        "tlsCertificates": ListOf(_PAIR, most=2),
        "ecdhCurves": later(ListOf(ANY_TEXT)),
        "insecureSkipVerify": BOOL,
        "verifyCertificateSpki": ListOf(Text(_key_digest)),
        "verifyCertificateHash": ListOf(Text(_certificate_digest)),
    },
    rules=[_certificates, _ciphers, _version_range],
)


def _protocol(port: Json, at: At) -> None:
    protocol = port["protocol"].lower()
    if protocol in _LATER:
        (at / "protocol").unsupported(port["protocol"])
    elif protocol not in _HTTP | _TLS | {"tcp"}:
        known = "HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, MONGO, REDIS, MYSQL, TCP"
        (at / "protocol").error(f'invalid protocol "{port["protocol"]}", supported protocols are {known}')


def _no_target(port: Json, at: At) -> None:
    if port.get("targetPort"):
        (at / "targetPort").warning("Istio does not read it: the Service before the gateway says it")


def _tls_fits_port(server: Json, at: At) -> None:
    protocol = server["port"]["protocol"].lower()
    tls = server.get("tls")
    if tls is None:
        if protocol in _TLS:
            at.error("server must have TLS settings for HTTPS/TLS protocols")
        return
    if protocol in _HTTP:
        if tls.get("mode", "PASSTHROUGH") != "PASSTHROUGH" or any(tls.get(name) for name in _CERTIFICATES):
            (at / "tls").error("server cannot have TLS settings for plain text HTTP ports")
        elif not tls.get("httpsRedirect"):
            (at / "tls").warning("TLS settings of an HTTP port do nothing but redirect: set httpsRedirect")
    elif protocol not in _TLS:
        (at / "tls").error("server cannot have TLS settings for non HTTPS/TLS ports")
    elif tls.get("httpsRedirect"):
        (at / "tls" / "httpsRedirect").warning("should only be used with http servers")


def _listens_everywhere(server: Json, at: At) -> None:
    if server.get("bind", "") not in _EVERYWHERE:
        (at / "bind").unsupported("a gateway listens on its pod's address, and on its Service's")


def _unique_port_names(spec: Json, at: At) -> None:
    seen: set[str] = set()
    for index, server in enumerate(spec["servers"]):
        name = server["port"]["name"]
        if name in seen:
            message = f"port names in servers must be unique: duplicate name {name}"
            (at / "servers" / index / "port" / "name").error(message)
        seen.add(name)


def _name_is_label(_spec: Json, at: At) -> None:
    if not is_label(at.resource.name):
        at.error(f'invalid gateway name: "{at.resource.name}"')


SPEC = Message(
    {
        "selector": LABELS,
        "servers": ListOf(
            Message(
                {
                    "port": Message(
                        {"number": PORT, "name": NOT_EMPTY, "protocol": ANY_TEXT, "targetPort": UINT32},
                        required=["number", "name", "protocol"],
                        rules=[_protocol, _no_target],
                    ),
                    "hosts": ListOf(Text(gateway_host), least=1),
                    "tls": SERVER_TLS,
                    "name": ANY_TEXT,
                    "bind": Text(_is_address),
                    "defaultEndpoint": later(ANY_TEXT),
                },
                required=["port", "hosts"],
                rules=[_tls_fits_port, _listens_everywhere],
            ),
            least=1,
        ),
    },
    required=["servers"],
    rules=[_name_is_label, _unique_port_names],
)
