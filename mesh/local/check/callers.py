"""Findings about the callers and methods that rules name: what nobody is, what no request has."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.local.check.mesh import Mesh
from mesh.local.check.pods import DEFAULT_ACCOUNT
from mesh.local.model import TRUST_DOMAIN, Finding, Json, Resource
from mesh.local.resources import finding

# The registry of HTTP methods (IANA), which RFC 9110 calls case-sensitive.
_PLAIN = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "QUERY", "TRACE")
_WEBDAV = (
    "COPY",
    "LOCK",
    "MKCOL",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "UNLOCK",
    "ACL",
    "SEARCH",
    "ORDERPATCH",
    "MKCALENDAR",
)
_BINDINGS = ("BIND", "REBIND", "UNBIND", "MKREDIRECTREF", "UPDATEREDIRECTREF", "LINK", "UNLINK", "REPORT")
_VERSIONING = (
    "CHECKIN",
    "CHECKOUT",
    "UNCHECKOUT",
    "LABEL",
    "MERGE",
    "UPDATE",
    "MKACTIVITY",
    "MKWORKSPACE",
    "BASELINE-CONTROL",
    "VERSION-CONTROL",
)
METHODS = frozenset((*_PLAIN, *_WEBDAV, *_BINDINGS, *_VERSIONING))

Path = tuple[str | int, ...]


def caller_findings(mesh: Mesh) -> Iterator[Finding]:
    for policy in mesh.config.of("AuthorizationPolicy"):
        for index, rule in enumerate(policy.spec.get("rules") or []):
            yield from _unknown_callers(mesh, policy, rule, ("spec", "rules", index))
            yield from _unknown_methods(policy, rule, ("spec", "rules", index))
    for routes in mesh.config.of("VirtualService"):
        for index, route in enumerate(routes.spec.get("http") or []):
            for number, match in enumerate(route.get("match") or []):
                method = (match.get("method") or {}).get("exact")
                if method and method not in METHODS:
                    path: Path = ("spec", "http", index, "match", number, "method", "exact")
                    yield finding(routes, path, _no_method(method), warning=True, id="DM0107")


def _unknown_callers(mesh: Mesh, policy: Resource, rule: Json, at: Path) -> Iterator[Finding]:
    """Accounts of this mesh that neither a ServiceAccount nor a Pod template has."""
    for index, entry in enumerate(rule.get("from") or []):
        source = entry.get("source") or {}
        for word in ("principals", "serviceAccounts"):
            for number, written in enumerate(source.get(word) or []):
                place = _principal(written) if word == "principals" else _account(written, policy.namespace)
                if place is not None and place not in mesh.accounts and place[1] != DEFAULT_ACCOUNT:
                    message = f'"{written}" is nobody: no ServiceAccount {place[0]}/{place[1]}'
                    yield finding(
                        policy,
                        (*at, "from", index, "source", word, number),
                        message,
                        warning=True,
                        id="DM0106",
                    )


def _principal(written: str) -> tuple[str, str] | None:
    """(namespace, account) of a principal of this mesh; None for patterns and other trust domains."""
    parts = written.split("/")
    mine = len(parts) == 5 and (parts[0], parts[1], parts[3]) == (TRUST_DOMAIN, "ns", "sa")
    return None if not mine or "*" in written else (parts[2], parts[4])


def _account(written: str, namespace: str) -> tuple[str, str]:
    before, slash, name = written.partition("/")
    return (before, name) if slash else (namespace, before)


def _unknown_methods(policy: Resource, rule: Json, at: Path) -> Iterator[Finding]:
    for index, entry in enumerate(rule.get("to") or []):
        for word in ("methods", "notMethods"):
            for number, written in enumerate((entry.get("operation") or {}).get(word) or []):
                if "*" not in written and written not in METHODS:
                    path = (*at, "to", index, "operation", word, number)
                    yield finding(policy, path, _no_method(written), warning=True, id="DM0107")


def _no_method(written: str) -> str:
    hint = f', did you mean "{written.upper()}"?' if written.upper() in METHODS else ""
    return f'"{written}" is no method of HTTP{hint or ": no request has it"}'
