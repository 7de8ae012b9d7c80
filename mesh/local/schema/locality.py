"""`localityLbSetting` of a load balancer."""

from __future__ import annotations

from collections.abc import Iterable

from mesh.local.model import Json
from mesh.local.schema.language import ANY_TEXT, BOOL, Int, ListOf, MapOf, Message
from mesh.local.schema.report import At

TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
_WEIGHT = Int(1, 100, "locality weight must be in range [1, 100]")


def _one_way(setting: Json, at: At) -> None:
    if setting.get("distribute") and setting.get("failover"):
        at.error("can not simultaneously specify 'distribute' and 'failover'")
    if setting.get("failover"):
        for label in setting.get("failoverPriority") or []:
            if label in TOPOLOGY:
                message = f"can not simultaneously set 'failover' and topology label '{label}' in "
                at.error(f"{message}'failover_priority'")


def _distribution(setting: Json, at: At) -> None:
    written = setting.get("distribute") or []
    for index, rule in enumerate(written):
        place, to = at / "distribute" / index, rule.get("to") or {}
        if sum(to.values()) != 100:
            (place / "to").error(f"total locality weight {sum(to.values())} != 100")
        if (reason := _overlap(to)) is not None:
            (place / "to").error(reason)
    if (reason := _overlap(rule.get("from") or "" for rule in written)) is not None:
        (at / "distribute").error(reason)


def _overlap(localities: Iterable[str]) -> str | None:
    """Why a list of localities cannot stand: each may hold none of the others."""
    seen: list[tuple[str, ...]] = []
    for locality in localities:
        if locality.count("*") > 1 or ("*" in locality and not locality.endswith("*")):
            return f"locality {locality} wildcard '*' number can not exceed 1 and must be in the end"
        parts = tuple(locality.split("/", 2))
        if "" in parts:
            return f"locality {locality} must not contain empty region/zone/subzone info"
        known = parts[:-1] if parts[-1] == "*" else parts
        if any(known[: len(other)] == other or other[: len(known)] == known for other in seen):
            return f"locality {locality} overlap with previous specified ones"
        seen.append(known)
    return None


def _failover(setting: Json, at: At) -> None:
    for index, rule in enumerate(setting.get("failover") or []):
        place, regions = at / "failover" / index, (rule.get("from") or "", rule.get("to") or "")
        if regions[0] == regions[1]:
            place.error("locality lb failover settings must specify different regions")
        if any("/" in region for region in regions):
            place.error("locality lb failover only specify region")
        if any("*" in region for region in regions):
            place.error("locality lb failover region should not contain '*' wildcard")


def needs_outlier_detection(policy: Json, at: At) -> None:
    """Without it no endpoint is ever so bad that requests go further away."""
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    if (setting.get("failover") or setting.get("failoverPriority")) and "outlierDetection" not in policy:
        place = at / "loadBalancer" / "localityLbSetting"
        place.warning("outlier detection policy must be provided for failover")


LOCALITY_LB = Message(
    {
        "enabled": BOOL,
        "distribute": ListOf(Message({"from": ANY_TEXT, "to": MapOf(_WEIGHT)})),
        "failover": ListOf(Message({"from": ANY_TEXT, "to": ANY_TEXT})),
        "failoverPriority": ListOf(ANY_TEXT),
    },
    rules=[_one_way, _distribution, _failover],
)
