"""The tables of `delinkcious mesh get`: which kinds there are, and the columns of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from delinkcious.commands.mesh_paths import near

_PLURALS = {
    "pod": "pods",
    "service": "services",
    "listener": "listeners",
    "route": "routes",
    "cluster": "clusters",
    "endpoint": "endpoints",
    "policy": "policies",
    "cert": "certs",
    "override": "overrides",
    "workload": "workloads",
    "job": "jobs",
    "cronjob": "cronjobs",
    "horizontalpodautoscalers": "hpa",
}
KINDS = list(dict.fromkeys([*_PLURALS.values(), *_PLURALS]))

Row = Mapping[str, Any]
Columns = dict[str, Callable[[Row], object]]


def plural(what: str) -> str:
    return _PLURALS.get(what, what)


STATE_WIDTH = 60  # characters; what is longer stands below the table
MATCH_WIDTH = 80  # what is longer is told whole by -o wide


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def why(row: Row) -> str:
    """Why a pod is not ready; "" when nothing is said."""
    reasons = [part["reason"] for part in row["containers"] if part["reason"] and not part["ready"]]
    return reasons[0] if reasons else ""


def _pod_state(row: Row) -> str:
    return _cut(why(row) or str(row["phase"]), STATE_WIDTH)


def _ready(row: Row) -> str:
    return f"{sum(part['ready'] for part in row['containers'])}/{len(row['containers'])}"


COLUMNS: dict[str, Columns] = {
    "pods": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "READY": _ready,
        "STATUS": _pod_state,
        "RESTARTS": lambda row: row["restarts"],
        "IP": lambda row: row["ip"],
    },
    "services": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "PORTS": lambda row: ",".join(
            f"{number}/{port['protocol']}" for number, port in row["ports"].items()
        ),
        "ENDPOINTS": lambda row: ",".join(end["ip"] for end in row["endpoints"] if end["ready"]) or "none",
    },
    "routes": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "HOST": lambda row: row["virtualHost"],
        "NAME": lambda row: row["name"] or "-",
        "MATCH": lambda row: _cut(_match(row["match"]), MATCH_WIDTH),
        "TO": lambda row: _destination(row["to"]),
    },
    "clusters": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "NAME": lambda row: row["name"],
        "MTLS": lambda row: "yes" if row["mtls"] else "no",
        "ENDPOINTS": lambda row: ",".join(row["endpoints"]) or "none",
    },
    "listeners": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "ADDRESS": lambda row: row["address"],
        "DIRECTION": lambda row: row["direction"],
        "PROTOCOL": lambda row: row["protocol"],
        "TAKES": lambda row: "; ".join(dict.fromkeys(chain["takes"] for chain in row["chains"])),
    },
    "endpoints": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "CLUSTER": lambda row: row["cluster"],
        "ADDRESS": lambda row: row["address"],
        "OF": lambda row: row["endpoint"] or "-",
        "HEALTH": lambda row: row["health"],
    },
    "certs": {
        "POD": lambda row: f"{row['namespace']}/{row['pod']}",
        "KIND": lambda row: row["kind"],
        "NAME": lambda row: ",".join(row["names"]) or "-",
        "SERIAL": lambda row: row["serial"],
        "NOT-BEFORE": lambda row: row["notBefore"],
        "NOT-AFTER": lambda row: row["notAfter"],
    },
    "policies": {
        "NAMESPACE": lambda row: row["namespace"],
        "KIND": lambda row: row["kind"],
        "NAME": lambda row: row["name"],
        "ACTION": lambda row: row["action"] or "-",
        "PODS": lambda row: len(row["pods"]),
        "SOURCE": lambda row: near(row["source"]),
    },
    "overrides": {
        "NAMESPACE": lambda row: row["namespace"] or "-",
        "KIND": lambda row: row["kind"],
        "NAME": lambda row: row["name"],
        "HELD": lambda row: row["what"],
        "SOURCE": lambda row: near(row["source"] or "-"),
    },
}
COLUMNS |= {
    "workloads": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: f"{row['kind'].lower()}/{row['name']}",
        "READY": lambda row: f"{row['ready']}/{row['replicas']}",
        "UP-TO-DATE": lambda row: row["upToDate"],
    },
    "jobs": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "STATUS": lambda row: row["state"],
        "COMPLETIONS": lambda row: f"{row['succeeded']}/{row['completions']}",
        "FAILED": lambda row: row["failed"],
    },
    "cronjobs": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "SCHEDULE": lambda row: row["schedule"],
        "TIMEZONE": lambda row: row["timeZone"],
        "SUSPEND": lambda row: row["suspend"],
        "ACTIVE": lambda row: len(row["active"]),
        "LAST": lambda row: row["last"] or "-",
    },
    "hpa": {
        "NAMESPACE": lambda row: row["namespace"],
        "NAME": lambda row: row["name"],
        "REFERENCE": lambda row: row["reference"],
        "TARGETS": lambda row: ", ".join(row["metrics"]) or "-",
        "MINPODS": lambda row: row["minReplicas"],
        "MAXPODS": lambda row: row["maxReplicas"],
        "REPLICAS": lambda row: row["replicas"],
        "MESSAGE": lambda row: row["message"] or "-",
    },
}
WIDE: dict[str, Columns] = {
    "pods": {
        "EGRESS": lambda row: row["egress"] or "-",
        "ADMIN": lambda row: row["admin"] or "-",
        "ACCOUNT": lambda row: row["serviceAccount"],
        "CONFIG": lambda row: row["configVersion"] or "-",
    },
    "services": {
        "PUBLIC-IP": lambda row: row["publicIp"] or "-",
        "TARGETS": lambda row: ",".join(
            f"{number}->{port['targetPort']}" for number, port in row["ports"].items()
        ),
        "PODS": lambda row: ",".join(end["pod"] for end in row["endpoints"]) or "none",
        "HOST": lambda row: row["hostname"],
        "KIND": lambda row: row["kind"],
        "RESOLUTION": lambda row: row["resolution"],
    },
    "routes": {
        "MATCH": lambda row: _match(row["match"]),
        "CONFIG": lambda row: row["config"] or "-",
    },
    "listeners": {
        "FILTERS": lambda row: "; ".join(",".join(chain["filters"]) for chain in row["chains"]),
    },
    "endpoints": {
        "WEIGHT": lambda row: row["weight"],
        "REQUESTS": lambda row: row["requests"],
        "ERRORS": lambda row: row["errors"],
        "ACTIVE": lambda row: row["active"],
        "CONNECTIONS": lambda row: row["connections"],
    },
}


def _destination(to: Any) -> str:
    if isinstance(to, list):
        return ", ".join(f"{entry['cluster']} {entry['weight']}" for entry in to)
    return json.dumps(to)


def _match(match: Row) -> str:
    """Envoy's match in short: a path, then conditions; as it is where that would leave something out."""
    if match == {"connect_matcher": {}}:
        return "CONNECT (any host:port)"  # the one that every proxy has for tunnels
    rest = {name: value for name, value in match.items() if name not in _SHORT}
    if rest:
        return json.dumps(match)
    path = match.get("path") or (f"{match['prefix']}*" if "prefix" in match else "")
    path = path or ("CONNECT" if "connect_matcher" in match else f"~{match['safe_regex']['regex']}")
    conditions = [_condition("", one) for one in match.get("headers") or []]
    conditions += [_condition("?", one) for one in match.get("query_parameters") or []]
    conditions += ["any case"] if match.get("case_sensitive") is False else []
    return f"{path} [{', '.join(conditions)}]" if conditions else str(path)


def _condition(mark: str, matcher: Row) -> str:
    """`name`, `name=value`, `name=begin*`, `name~regex`; `!` for the opposite."""
    name = f"{'!' if matcher.get('invert_match') else ''}{mark}{matcher['name']}"
    text = matcher.get("string_match") or {}
    if "exact" in text:
        return f"{name}={text['exact']}"
    if "prefix" in text:
        return f"{name}={text['prefix']}*"
    return f"{name}~{text['safe_regex']['regex']}" if "safe_regex" in text else name


# What the table's words tell of a match.
_SHORT = ("path", "prefix", "safe_regex", "connect_matcher", "case_sensitive", "headers", "query_parameters")
