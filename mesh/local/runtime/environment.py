"""What a container's process is told: its environment and its command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh.local.model import Config, Json
from mesh.local.runtime import downward, volumes
from mesh.local.runtime.addresses import Pair
from mesh.local.runtime.manifest import FieldPath, PodManifest, Refused
from mesh.local.runtime.workload import INDEX

NODE = "local"
_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a Pod runs. `egress` is None without a sidecar; `direct` are addresses no proxy stands before."""

    addresses: Pair
    egress: tuple[str, int] | None
    direct: Sequence[str] = ()

    @property
    def host(self) -> str:
        """The address the process listens on: the pod IP itself when no sidecar owns it."""
        return self.addresses.pod if self.egress is None else self.addresses.app


def fields(pod: PodManifest, place: Place) -> dict[str, str]:
    """The downward API: field path -> value."""
    found = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": f"{pod.namespace}-{pod.name}",
        "metadata.labels": _lines(pod.labels),
        "metadata.annotations": _lines(pod.annotations),
        "spec.nodeName": NODE,
        "spec.serviceAccountName": pod.service_account,
        "status.podIP": place.addresses.pod,
        "status.podIPs": place.addresses.pod,
        "status.hostIP": place.addresses.pod,
    }
    found |= {f"metadata.labels['{key}']": value for key, value in pod.labels.items()}
    found |= {f"metadata.annotations['{key}']": value for key, value in pod.annotations.items()}
    return found


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))


def given(pod: PodManifest, container: Json, place: Place) -> dict[str, str]:
    """What the mesh tells every process, before the manifest has its say."""
    ports = container.get("ports") or []
    found = {
        "HOST": place.host,
        "HOSTNAME": pod.hostname,
        "POD_IP": place.addresses.pod,
        "POD_NAME": pod.name,
        "POD_NAMESPACE": pod.namespace,
        "PYTHONUNBUFFERED": "1",  # a log that appears when it is written
    }
    if ports:
        found["PORT"] = str(ports[0]["containerPort"])
    if (index := pod.annotations.get(INDEX)) is not None:
        found["JOB_COMPLETION_INDEX"] = index
    if place.egress is not None:
        proxy = f"http://{place.egress[0]}:{place.egress[1]}"
        direct = ",".join(["localhost", "127.0.0.1", "::1", place.addresses.app, *place.direct])
        for name, value in {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": direct}.items():
            found |= {name: value, name.lower(): value}
    return found


def of_proxy(pod: PodManifest) -> dict[str, str]:
    """What istiod's injection tells a sidecar of itself; access logs may name it: %ENVIRONMENT(POD_NAME)%."""
    return {
        "POD_NAME": pod.name,
        "POD_NAMESPACE": pod.namespace,
        "ISTIO_META_WORKLOAD_NAME": pod.workload,
        "SERVICE_ACCOUNT": pod.service_account,
    }


def environment(
    pod: PodManifest,
    container: Json,
    path: FieldPath,
    place: Place,
    config: Config,
) -> dict[str, str]:
    """The variables of the mesh and of the manifest, the manifest's last, with mount paths as written.

    Raises:
        Refused: a source does not exist or is not supported.
    """
    found = given(pod, container, place)
    found |= _env_from(pod, container, path, config)
    for index, entry in enumerate(container.get("env") or []):
        here = (*path, "env", index)
        if not _ENV_NAME.fullmatch(entry["name"]):
            raise Refused((*here, "name"), f"{entry['name']!r} is no name of a variable")
        if (source := entry.get("valueFrom")) is not None:
            value = _value_from(pod, container, source, (*here, "valueFrom"), place, config)
            if value is None:
                continue
        else:
            value = volumes.expand(str(entry.get("value") or ""), found)
        found[entry["name"]] = value
    paths = {mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts") or []}
    if "/tmp" in paths:  # noqa: S108 - a mount path, not a file of ours
        found.setdefault("TMPDIR", "/tmp")  # noqa: S108
    return found


def argv(parts: Sequence[str], variables: Mapping[str, str], mounted: Mapping[str, str]) -> tuple[str, ...]:
    """The command line; `variables` with mount paths as written, since the result is made real once."""
    return tuple(volumes.translate(volumes.expand(part, variables), mounted) for part in parts)


def real(variables: Mapping[str, str], mounted: Mapping[str, str]) -> dict[str, str]:
    """The variables as the process gets them."""
    return {name: volumes.translate(value, mounted) for name, value in variables.items()}


def _env_from(pod: PodManifest, container: Json, path: FieldPath, config: Config) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, source in enumerate(container.get("envFrom") or []):
        word, kind = ("secretRef", "Secret") if source.get("secretRef") else ("configMapRef", "ConfigMap")
        reference = source.get(word)
        here = (*path, "envFrom", index)
        if not reference:
            raise Refused(here, "neither configMapRef nor secretRef")
        data = volumes.data_of(config, kind, pod.namespace, reference.get("name") or "")
        if data is None:
            if reference.get("optional"):
                continue
            raise Refused((*here, word), f"the {kind} {pod.namespace}/{reference.get('name')} does not exist")
        for key, value in data.items():
            if _ENV_NAME.fullmatch(key):  # others are left out, as on Kubernetes
                name = (source.get("prefix") or "") + key
                found[name] = _text(value, (*here, word))
    return found


def _value_from(
    pod: PodManifest, container: Json, source: Json, path: FieldPath, place: Place, config: Config
) -> str | None:
    if (field := source.get("fieldRef")) is not None:
        name = field.get("fieldPath") or ""
        known = fields(pod, place)
        if name not in known and not _FIELD.fullmatch(name):
            raise Refused((*path, "fieldRef"), f"the field {name!r} is not supported by the local mesh")
        return known.get(name, "")
    if (reference := source.get("resourceFieldRef")) is not None:
        return downward.size(pod, reference, (*path, "resourceFieldRef"), container)
    for word, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if (reference := source.get(word)) is not None:
            data = volumes.data_of(config, kind, pod.namespace, reference.get("name") or "")
            key = reference.get("key")
            if data is not None and key in data:
                return _text(data[key], (*path, word))
            if reference.get("optional"):
                return None
            what = f"the {kind} {pod.namespace}/{reference.get('name')}"
            raise Refused(
                (*path, word), f"{what} {'does not exist' if data is None else f'has no key {key}'}"
            )
    raise Refused(
        path, f"{', '.join(source) or 'nothing'} is valid on Kubernetes, not supported by the local mesh"
    )


def _text(data: bytes, path: FieldPath) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused(path, "is not text, which a variable must be") from error
    if "\0" in text:
        raise Refused(path, "holds a NUL character, which a variable cannot")
    return text
