"""How a run begins: who is stable now, and what the canary's Deployment is to be."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.canary.platform import Platform, PlatformError
from mesh.canary.runs import traffic
from mesh.canary.runs.journal import Began
from mesh.canary.runs.rollout import Rollout, Spec

Json = dict[str, Any]
ENV = "env."
MANAGED_BY, MANAGER = "app.kubernetes.io/managed-by", "delinkcious-canary"
# What a server adds to an object; none of it belongs to another one.
_SERVERS = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink")


class NotStarted(PlatformError):
    """Why no run begins, as a sentence."""


@dataclass(frozen=True)
class Changes:
    """How the canary differs from stable: variables (`env.NAME=VALUE`), an image, a command line."""

    sets: Sequence[str] = ()
    image: str | None = None
    command: str | None = None

    def __bool__(self) -> bool:
        return bool(self.sets or self.image or self.command)


async def begin(
    platform: Platform, rollout: Rollout, changes: Changes, *, run: str, by: str, at: float
) -> Began:
    """The beginning of a run, with the roles that the subsets have now.

    Raises NotStarted, and as the platform does.
    """
    spec = rollout.spec
    stored = await platform.virtual_service(spec.routes)
    try:
        stable, canary = traffic.roles(stored.body, spec.subsets.stable, spec.subsets.canary)
        if spec.affinity is not None:
            traffic.judge_cookies(stored.body)
    except traffic.NotASplit as error:
        raise NotStarted(str(error)) from error
    base = await _serving(platform, spec.service, stable)
    serving = [pod for pod in await platform.pods(labels(spec.service, stable)) if pod.ready]
    if not serving:
        raise NotStarted(f"no pod of {_name(base)} is ready: there is nothing to compare with")
    _judge_copies(spec, len(serving))
    if spec.load is not None:
        there = {_name(each.body) for each in await platform.deployments({})}
        if spec.load.deployment not in there:
            near = difflib.get_close_matches(spec.load.deployment, there, n=1)
            hint = f": is it {near[0]}?" if near else ""
            raise NotStarted(f"spec.load: there is no Deployment {spec.load.deployment}{hint}")
    name = spec.deployment(canary)
    for pod in await platform.pods(labels(spec.service, canary)):
        if pod.deployment != name:
            raise NotStarted(
                f"{pod.deployment} has pods in subset {canary}: scale it to 0 before a run begins"
            )
    made = track(base, name, spec.service, canary, spec.pods.least, changes)
    if (digest := revision(made)) == revision(base):
        raise NotStarted(
            "the canary would be the same as stable: say what to change (--set, --image, --command)"
        )
    return Began(
        at=at,
        run=run,
        by=by,
        rollout=rollout,
        stable=stable,
        canary=canary,
        replicas=len(serving),
        revision=digest,
        base=_name(base),
        deployment=made,
        changed=differences(base, made),
    )


def _judge_copies(spec: Spec, stable: int) -> None:
    """Raises NotStarted where so few copies reach a pod that its latency never counts: nothing is proven."""
    if spec.mirrors is None or not spec.slo.latency_edges_ms:
        return
    percent, gate = spec.mirrors.percent, spec.analysis.latency_gate
    had = percent / 100 * stable / spec.pods.needed(stable, percent)
    if had < gate:
        raise NotStarted(
            f"spec.mirror: {percent:g} % give a canary pod {had:.2g} times the requests of a stable one, "
            f"less than analysis.latencyGate, {gate:g}: latency would never be judged, and nothing proven"
        )


def labels(service: str, subset: str) -> dict[str, str]:
    """Those of a subset's pods."""
    return {"app": service, "version": subset}


async def _serving(platform: Platform, service: str, subset: str) -> Json:
    """The one Deployment that the subset's pods belong to."""
    pods = {pod.deployment for pod in await platform.pods(labels(service, subset))}
    found = [stored.body for stored in await platform.deployments(labels(service, subset))]
    serving = [body for body in found if _name(body) in pods]
    if len(serving) != 1:
        what = "no Deployment has" if not serving else f"{' and '.join(map(_name, serving))} both have"
        raise NotStarted(f"{what} pods with app={service} and version={subset}, where all of the traffic is")
    return serving[0]


def _name(body: Json) -> str:
    return str(body["metadata"]["name"])


def track(base: Json, name: str, service: str, subset: str, replicas: int, changes: Changes) -> Json:
    """Stable's Deployment as the canary's: another name and version, and the changes. Raises NotStarted."""
    made = copy.deepcopy(base)
    made.pop("status", None)
    metadata = made["metadata"]
    for field in _SERVERS:
        metadata.pop(field, None)
    metadata["name"] = name
    template = made["spec"]["template"]
    for labels in (
        metadata.setdefault("labels", {}),
        made["spec"]["selector"]["matchLabels"],
        template["metadata"]["labels"],
    ):
        labels["version"] = subset
        labels[MANAGED_BY] = MANAGER
    made["spec"]["replicas"] = replicas
    container = _container(template, service)
    if changes.image is not None:
        container["image"] = changes.image
    if changes.command is not None:
        container["command"] = _words(changes.command)
        container.pop("args", None)
    for setting in changes.sets:
        _set(container, setting)
    return made


def revision(deployment: Json) -> str:
    """What its pods are made of, without what names the track."""
    template = copy.deepcopy(deployment["spec"]["template"])
    for name in ("version", MANAGED_BY):
        template["metadata"].get("labels", {}).pop(name, None)
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:12]


def differences(base: Json, made: Json) -> tuple[str, ...]:
    """In words, for a person; values of variables are told, those of Secrets never stand here."""
    found: list[str] = []
    for old, new in zip(_containers(base), _containers(made), strict=False):
        for before, after in ((_command(old), _command(new)), (_variables(old), _variables(new))):
            found += [
                f"{name}: {_short(before.get(name))} -> {_short(after.get(name))}"
                for name in sorted({*before, *after})
                if before.get(name) != after.get(name)
            ]
    return tuple(found)


def _command(container: Json) -> Json:
    return {name: container.get(name) for name in ("image", "command", "args")}


def _variables(container: Json) -> Json:
    return {f"{ENV}{entry['name']}": entry.get("value") for entry in container.get("env") or []}


def _set(container: Json, setting: str) -> None:
    name, separator, value = setting.partition("=")
    if not separator or not name.startswith(ENV) or name == ENV:
        raise NotStarted(f"--set {setting!r}: it is written env.NAME=VALUE")
    name = name.removeprefix(ENV)
    entries = [entry for entry in container.get("env") or [] if entry["name"] != name]
    container["env"] = [*entries, {"name": name, "value": value}]


def _words(command: str) -> list[str]:
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise NotStarted(f"--command {command!r} is no command line: {error}") from None
    if not found:
        raise NotStarted("--command is empty")
    return found


def _container(template: Json, service: str) -> Json:
    containers = template["spec"]["containers"]
    found: Json = next((one for one in containers if one["name"] == service), containers[0])
    return found


def _containers(deployment: Json) -> list[Json]:
    found: list[Json] = deployment["spec"]["template"]["spec"]["containers"]
    return found


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else shlex.join(map(str, value))
    return text if len(text) <= 80 else f"{text[:77]}..."
