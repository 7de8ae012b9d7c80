"""Certificates of gateways: `kubernetes.io/tls` Secrets as Envoy's SDS files (pure)."""

from __future__ import annotations

from mesh.local.model import ROOT_NAMESPACE, Config, Proxy
from mesh.local.runtime.ca import identity_secret, root_secret
from mesh.local.runtime.volumes import data_of

PREFIX = "kubernetes://"


def secrets(proxy: Proxy, config: Config) -> dict[str, bytes]:
    """SDS file contents by secret name, for the credentials that the Gateways of `proxy` name.

    A credential is a Secret of the gateway's namespace, or else of the root namespace.
    """
    if proxy.kind != "gateway":
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(_names(config)):
        data = data_of(config, "Secret", proxy.namespace, name) or data_of(
            config, "Secret", ROOT_NAMESPACE, name
        )
        if data is None:
            continue
        chain, key = data.get("tls.crt") or data.get("cert"), data.get("tls.key") or data.get("key")
        if chain and key:
            found[PREFIX + name] = identity_secret(PREFIX + name, chain.decode(), key.decode())
        if trusted := data.get("ca.crt") or data.get("cacert"):
            found[f"{PREFIX}{name}-cacert"] = root_secret(f"{PREFIX}{name}-cacert", trusted.decode())
    return found


def _names(config: Config) -> set[str]:
    names = set()
    for gateway in config.of("Gateway"):
        for server in gateway.spec.get("servers") or []:
            if name := (server.get("tls") or {}).get("credentialName"):
                names |= {str(name), str(name).removesuffix("-cacert")}
    return names
