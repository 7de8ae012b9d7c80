"""Faults by objects that are applied above the watched files, and reset again."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import yaml

from delinkcious import edge, environments, local
from delinkcious.faults.site import Json, Site
from delinkcious.secrets import secret
from mesh.local.model import ROOT_NAMESPACE
from mesh.local.runtime import freeing
from mesh.local.runtime.applied import Key

ROLLED_OUT_WITHIN_S = 60.0


@dataclass(frozen=True)
class Applied:
    """Applies objects (of a checkout's files, changed), of these keys (kind, namespace, name)."""

    keys: tuple[Key, ...]
    make: Callable[[Site], Sequence[Json]]

    def begin(self, site: Site) -> None:
        refuse_held(site, self.keys)
        text = yaml.safe_dump_all(self.make(site), sort_keys=False)
        site.client.post("/apply", {"documents": [{"file": "delinkcious fault", "text": text}]})
        _roll_out(site, self.keys)

    def hold(self, site: Site, ended: threading.Event) -> None:
        ended.wait()

    def end(self, site: Site) -> None:
        reset(site, self.keys)


@dataclass(frozen=True)
class Scaled:
    """Gives a Deployment so many pods."""

    workload: str
    replicas: int

    @property
    def _key(self) -> Key:
        return ("Deployment", "delinkcious", self.workload)

    def begin(self, site: Site) -> None:
        refuse_held(site, [self._key])
        _, namespace, name = self._key
        site.client.post("/scale", {"namespace": namespace, "name": name, "replicas": self.replicas})

    def hold(self, site: Site, ended: threading.Event) -> None:
        ended.wait()

    def end(self, site: Site) -> None:
        reset(site, [self._key])


def refuse_held(site: Site, keys: Sequence[Key]) -> None:
    """What a person has applied must not be lost by a reset. Raises LookupError."""
    for kind, namespace, name in sorted(set(keys) & set(_held(site))):
        raise LookupError(
            f"{kind.lower()}/{name} in {namespace} is held over the files by something else already; "
            f"`delinkcious mesh reset {kind.lower()}/{name} -n {namespace}` frees it"
        )


def reset(site: Site, keys: Sequence[Key]) -> None:
    """Let the files rule again, also while no mesh runs."""
    ours = [key for key in _held(site) if key in keys]
    if ours and site.runs:
        site.client.post("/reset", {"keys": ours})
        _roll_out(site, ours)
    elif ours:
        freeing.free(site.state, ours)


def _held(site: Site) -> list[Key]:
    known = site.client.get("/get/overrides") if site.runs else freeing.listed(site.state)
    return [(one["kind"], one["namespace"], one["name"]) for one in known]


def _roll_out(site: Site, keys: Sequence[Key]) -> None:
    deployments = [key for key in keys if key[0] == "Deployment"]
    if deployments:
        body = {"keys": deployments, "within_s": ROLLED_OUT_WITHIN_S}
        site.client.post("/rollout", body, within_s=ROLLED_OUT_WITHIN_S + 10)


def injected(service: str, fault: Mapping[str, object]) -> Applied:
    """A VirtualService's `fault` for every request to a service, from the edge and from its peers."""
    key = ("VirtualService", "delinkcious", f"{service}-routes")

    def make(site: Site) -> list[Json]:
        splits = environments.of(site.checkout, site.state.folder).splits(site.state.folder)
        found = _written(site, splits / f"{service}.yaml", key)
        for route in found["spec"]["http"]:
            route["fault"] = dict(fault)
        return [found]

    return Applied((key,), make)


def expiring(lifetime: timedelta) -> Applied:
    """A certificate of the edge that ends soon."""
    key = ("Secret", ROOT_NAMESPACE, local.CERTIFICATE)

    def make(site: Site) -> list[Json]:
        chain, private = edge.short_lived(site.state.folder / "edge", lifetime)
        values = {"tls.crt": chain, "tls.key": private}
        return [secret(local.CERTIFICATE, values, namespace=ROOT_NAMESPACE, kind="kubernetes.io/tls")]

    return Applied((key,), make)


def misbehaving(service: str, how: str) -> Applied:
    """A rollout of a service whose process does something else beside its work."""
    key = ("Deployment", "delinkcious", f"{service}-v1")

    def make(site: Site) -> list[Json]:
        manifests = environments.of(site.checkout, site.state.folder).manifests
        found = _written(site, manifests, key)
        [container] = [
            one for one in found["spec"]["template"]["spec"]["containers"] if one["name"] == service
        ]
        python, *module = container["command"]
        container["command"] = [python, "-m", "delinkcious.faults.misbehaving", how, module[-1]]
        return [found]

    return Applied((key,), make)


def _written(site: Site, file: object, key: Key) -> Json:
    """An object as a file of the checkout has it. Raises LookupError."""
    text = (site.checkout / str(file)).read_text()
    for found in yaml.safe_load_all(text):
        if found and (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) == key:
            return copy.deepcopy(dict(found))
    raise LookupError(f"{file} has no {key[0]} {key[2]}")
