"""Certificates that people bring: `kubernetes.io/tls` Secrets as Envoy's SDS files (pure)."""

from __future__ import annotations

from mesh.local import files
from mesh.local.envoy.tls import authority_of, credentials_of
from mesh.local.envoy.view import selects
from mesh.local.model import ROOT_NAMESPACE, Config, Proxy
from mesh.local.runtime.ca import identity_secret, root_secret
from mesh.local.runtime.volumes import data_of

PREFIX = "kubernetes://"
EMPTY = files.response("Secret", {})


def secrets(proxy: Proxy, config: Config) -> dict[str, bytes]:
    """SDS file contents by secret name, for the credentials that Gateways and DestinationRules name.

    A credential is a Secret of the proxy's namespace, or else of the root namespace. One that is not there
    yet, or is no PEM, is an empty file: Envoy refuses a listener whose file is missing, and waits with that.
    """
    found: dict[str, bytes] = {}
    wanted = towards_destinations(proxy, config)
    for name in sorted(wanted | names(config) if proxy.kind == "gateway" else wanted):
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


def towards_destinations(proxy: Proxy, config: Config) -> set[str]:
    """Those of rules for the client's side of TLS; a sidecar has only those that select it."""
    found = set()
    for rule in config.of("DestinationRule"):
        selector = (rule.spec.get("workloadSelector") or {}).get("matchLabels")
        mine = rule.namespace == proxy.namespace and selects(selector, proxy.labels)
        if mine if selector else proxy.kind == "gateway":
            policies = [rule.spec, *(rule.spec.get("subsets") or [])]
            levels = [policy.get("trafficPolicy") or {} for policy in policies]
            levels += [port for level in levels for port in level.get("portLevelSettings") or []]
            found |= {str((level.get("tls") or {}).get("credentialName") or "") for level in levels}
    return found - {""}


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
