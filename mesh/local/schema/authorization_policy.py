"""AuthorizationPolicy."""

from __future__ import annotations

import re
from collections.abc import Callable

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, Enum, ListOf, Message, Text
from mesh.local.schema.metadata import DRY_RUN
from mesh.local.schema.report import At
from mesh.local.schema.selectors import ONE_SELECTOR, TARGET_REF, TARGET_REFS, WORKLOAD_SELECTOR
from mesh.local.schema.text import NOT_EMPTY, ip_block, port_text

_GO_BOOLEANS = frozenset(["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])
_MAX_ACCOUNTS = 16
_MAX_ACCOUNT = 320
_TEMPLATE = re.compile(r"\{\*\*?\}")
_LITERAL = re.compile(r"[a-zA-Z0-9._~%!$&'()+,;:@=-]+", re.ASCII)

_Reason = Callable[[str], str | None]


def _value(text: str) -> str | None:
    return None if text else "empty value not allowed"


def _one_wildcard(text: str) -> str | None:
    if not text:
        return "empty value not allowed"
    if text.count("*") > 1:
        return f'at most one wildcard is allowed: "{text}"'
    if "*" in text[1:-1]:
        return f'wildcard is only allowed at the start or end: "{text}"'
    return None


def _trust_domain(text: str) -> str | None:
    return f"trust domain must not contain '/': \"{text}\"" if "/" in text else _one_wildcard(text)


def _service_account(text: str) -> str | None:
    if not text:
        return "empty value not allowed"
    if "*" in text:
        return "wildcard not allowed"
    if len(text) > _MAX_ACCOUNT:
        return f"value cannot exceed {_MAX_ACCOUNT} characters"
    parts = text.split("/")
    if len(parts) > 2 or not all(parts):
        return f"expected format 'serviceAccount' or 'namespace/serviceAccount', found \"{text}\""
    return None


def _path(text: str) -> str | None:
    """`*` at an end, or the templates {*} and {**}, of which {**} comes last."""
    if not text:
        return "empty value not allowed"
    templates = _TEMPLATE.search(text) is not None
    any_seen = False
    for segment in text.strip("/").split("/"):
        if segment in ("{*}", "{**}"):
            if any_seen:
                return f"invalid or unsupported path {text}: {{**}} is not the last operator"
            any_seen = segment == "{**}"
        elif "{" in segment or "}" in segment:
            return f"invalid or unsupported path {text}: {{ or }} beyond a supported path template"
        elif templates and not _LITERAL.fullmatch(segment):
            return f'invalid or unsupported path {text}: segment "{segment}" is not a valid literal'
    return None


_VALUES: dict[str, ListOf] = {
    "principals": ListOf(Text(_value)),
    "requestPrincipals": ListOf(Text(_value)),
    "namespaces": ListOf(Text(_value)),
    "serviceAccounts": ListOf(Text(_service_account), most=_MAX_ACCOUNTS),
    "trustDomains": ListOf(Text(_trust_domain)),
    "ipBlocks": ListOf(Text(ip_block)),
    "remoteIpBlocks": ListOf(Text(ip_block)),
    "hosts": ListOf(Text(_value)),
    "ports": ListOf(Text(port_text)),
    "methods": ListOf(Text(_value)),
    "paths": ListOf(Text(_path)),
}
_SOURCE = (
    "principals",
    "requestPrincipals",
    "namespaces",
    "serviceAccounts",
    "trustDomains",
    "ipBlocks",
    "remoteIpBlocks",
)
_OPERATION = ("hosts", "ports", "methods", "paths")

ATTRIBUTES: dict[str, _Reason] = {
    "source.ip": ip_block,
    "remote.ip": ip_block,
    "source.namespace": _value,
    "source.serviceAccount": _service_account,
    "source.principal": _value,
    "source.trustDomain": _one_wildcard,
    "request.auth.principal": _value,
    "request.auth.audiences": _value,
    "request.auth.presenter": _value,
    "destination.ip": ip_block,
    "destination.port": port_text,
    "connection.sni": _value,
}
_KEYED_ATTRIBUTES = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")
_GONE_ATTRIBUTES = {
    "destination.namespace": "attribute destination.namespace is replaced by the metadata.namespace",
    "destination.labels": "attribute destination.labels is replaced by the workload selector",
    "destination.name": "deprecated attribute destination.name: only supported in v1alpha1",
    "destination.user": "deprecated attribute destination.user: only supported in v1alpha1",
}


def _with_negations(names: tuple[str, ...]) -> dict[str, ListOf]:
    negated = {f"not{name[0].upper()}{name[1:]}": _VALUES[name] for name in names}
    return {name: _VALUES[name] for name in names} | negated


def _says_something(what: str) -> Callable[[Json, At], None]:
    def rule(value: Json, at: At) -> None:
        if not any(value.values()):
            at.error(f"`{what}` must not be empty")

    return rule


def _accounts_alone(source: Json, at: At) -> None:
    others = ("principals", "notPrincipals", "namespaces", "notNamespaces")
    accounts = source.get("serviceAccounts") or source.get("notServiceAccounts")
    if accounts and any(source.get(name) for name in others):
        at.error("cannot set serviceAccounts with namespaces or principals")


def _condition(condition: Json, at: At) -> None:
    key = condition["key"]
    if not condition.get("values") and not condition.get("notValues"):
        at.error(f"at least one of `values` or `notValues` must be set for key {key}")
    gone = next((why for name, why in _GONE_ATTRIBUTES.items() if key.split("[")[0] == name), None)
    keyed = next((prefix for prefix in _KEYED_ATTRIBUTES if key.startswith(prefix)), None)
    judge = ATTRIBUTES.get(key)
    if gone is not None:
        (at / "key").error(gone)
    elif keyed is not None:
        inside = key.partition("[")[2]
        if not key.endswith("]") or len(inside) < 2:
            (at / "key").error(f"bad key ({key}): should have format a[b]")
        judge = _value
    elif judge is None:
        (at / "key").error(f"unknown attribute: {key}")
    if judge is not None:
        _judge_values(condition, judge, at)


def _judge_values(condition: Json, judge: _Reason, at: At) -> None:
    for field in ("values", "notValues"):
        for index, value in enumerate(condition.get(field) or []):
            if (reason := judge(value)) is not None:
                (at / field / index).error(f"invalid `{field}` for `key` {condition['key']}: {reason}")


def _lists_something(rule: Json, at: At) -> None:
    for field in ("from", "to"):
        if rule.get(field) == []:
            (at / field).error("is empty; Istio would accept this and ask for nothing there")


SOURCE = Message(_with_negations(_SOURCE), rules=[_says_something("from.source"), _accounts_alone])
OPERATION = Message(_with_negations(_OPERATION), rules=[_says_something("to.operation")])
_TEXTS = ListOf(Text())
RULE = Message(
    {
        "from": ListOf(Message({"source": SOURCE}, required=["source"]), most=512),
        "to": ListOf(Message({"operation": OPERATION}, required=["operation"])),
        "when": ListOf(
            Message(
                {"key": NOT_EMPTY, "values": _TEXTS, "notValues": _TEXTS},
                required=["key"],
                rules=[_condition],
            )
        ),
    },
    rules=[_lists_something],
)


def _action_fits(spec: Json, at: At) -> None:
    action = spec.get("action", "ALLOW")
    if action == "DENY" and "rules" not in spec:
        at.error(
            "DENY action without `rules` is meaningless as it will never be triggered, "
            "add an empty rule `{}` if you want it be triggered for every request"
        )
    if action == "CUSTOM":
        _custom(spec, at)
    elif "provider" in spec:
        (at / "provider").error(f"`provider` must not be with non CUSTOM action, found {action}")
    annotations = at.resource.annotations
    dry_run = annotations.get(DRY_RUN) if isinstance(annotations, dict) else None
    place = At(at.report, ("metadata", "annotations", DRY_RUN))
    if dry_run is not None and action not in ("ALLOW", "DENY"):
        place.error(f"the annotation {DRY_RUN} currently only supports action ALLOW/DENY, found {action}")
    elif isinstance(dry_run, str) and dry_run not in _GO_BOOLEANS:
        place.error(f'the annotation {DRY_RUN} has an invalid value ("{dry_run}"): write "true" or "false"')


def _custom(spec: Json, at: At) -> None:
    """Who asks is judged before any token is read, so that CUSTOM rules cannot depend on it."""
    if "rules" not in spec:
        at.error(
            "CUSTOM action without `rules` is meaningless as it will never be triggered, "
            "add an empty rule `{}` if you want it be triggered for every request"
        )
    elif not (spec.get("provider") or {}).get("name"):
        (at / "provider").error("`provider.name` must not be empty")
    for index, rule in enumerate(spec.get("rules") or []):
        for number, entry in enumerate(rule.get("from") or []):
            for name in entry["source"]:
                if name.removeprefix("not").lower() not in ("ipblocks", "remoteipblocks"):
                    place = at / "rules" / index / "from" / number / "source" / name
                    place.error(
                        f"From.{name[0].upper()}{name[1:]} is currently not supported with CUSTOM action"
                    )
        for number, condition in enumerate(rule.get("when") or []):
            key = condition["key"]
            if key.startswith("request.auth.") or key in _WHO:
                place = at / "rules" / index / "when" / number / "key"
                place.error(f"{key} is currently not supported with CUSTOM action")


_WHO = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")


def _denies_tcp(spec: Json, at: At) -> None:
    """A DENY rule of HTTP attributes only is widened on TCP ports: Istio warns of it."""
    if spec.get("action") != "DENY":
        return
    http_source = {"requestPrincipals", "notRequestPrincipals", "trustDomains", "notTrustDomains"}
    for index, rule in enumerate(spec.get("rules") or []):
        sources = [name for entry in rule.get("from") or [] for name in entry["source"]]
        operations = [name for entry in rule.get("to") or [] for name in entry["operation"]]
        only_http_from = sources and not operations and set(sources) <= http_source
        if only_http_from or (operations and not {"ports", "notPorts"} & set(operations)):
            (at / "rules" / index).warning(
                "will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes "
                "in a DENY rule; it is recommended to explicitly specify the port"
            )


SPEC = Message(
    {
        "selector": WORKLOAD_SELECTOR,
        "action": Enum("ALLOW", "DENY", "AUDIT", "CUSTOM"),
        "rules": ListOf(RULE, most=512),
        "provider": Message({"name": ANY_TEXT}),
        "targetRef": TARGET_REF,
        "targetRefs": TARGET_REFS,
    },
    one_of=[ONE_SELECTOR],
    rules=[_action_fits, _denies_tcp],
)
