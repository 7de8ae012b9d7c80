"""Certificates of gateways: `kubernetes.io/tls` Secrets as Envoy's SDS files (pure)."""

from __future__ import annotations

from mesh.local import files
from mesh.local.envoy.tls import authority_of, credentials_of
from mesh.local.model import ROOT_NAMESPACE, Config, Proxy
from mesh.local.runtime.ca import identity_secret, root_secret
from mesh.local.runtime.volumes import data_of

PREFIX = "kubernetes://"
EMPTY = files.response("Secret", {})


def secrets(proxy: Proxy, config: Config) -> dict[str, bytes]:
    """SDS file contents by secret name, for the credentials that the Gateways of `proxy` name.

    A credential is a Secret of the gateway's namespace, or else of the root namespace. One that is not there
    yet, or is no PEM, is an empty file: Envoy refuses a listener whose file is missing, and waits with that.
    """
    if proxy.kind != "gateway":
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(names(config)):
        data = data_of(config, "Secret", proxy.namespace, name) or data_of(
            config, "Secret", ROOT_NAMESPACE, name
        )
        data = data or {}
        own, authority = PREFIX + name, f"{PREFIX}{name}-cacert"
        chain = _pem(data.get("tls.crt") or data.get("cert"))
        key = _pem(data.get("tls.key") or data.get("key"))
        trusted = _pem(data.get("ca.crt") or data.get("cacert"))
        if chain and key:
            found[own] = identity_secret(own, chain, key)
        if trusted:
            found[authority] = root_secret(authority, trusted)
        found.setdefault(own, EMPTY)
        found.setdefault(authority, EMPTY)
    return found


def _pem(data: bytes | None) -> str:
    """The text of a certificate or a key; "" when it is none."""
    try:
        text = (data or b"").decode("ascii")
    except UnicodeDecodeError:
        return ""
    return text if "-----BEGIN " in text else ""


def names(config: Config) -> set[str]:
    """The credentials that Gateways name."""
    found: set[str] = set()
    for gateway in config.of("Gateway"):
        for server in gateway.spec.get("servers") or []:
            written = server.get("tls") or {}
            for name in (*credentials_of(written), authority_of(written)):
                if name:
                    found |= {name, name.removesuffix("-cacert")}
    return found
