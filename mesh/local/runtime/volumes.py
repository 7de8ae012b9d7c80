"""Volumes as folders, and the paths they are mounted at.

Nothing can be mounted at an absolute path without privileges, so a mount path that stands in a
container's `env`, `command` or `args` is replaced by the folder of the volume. Programs learn paths
from there; a path that is fixed inside a program is not seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.local.model import Config, Json
from mesh.local.runtime import downward
from mesh.local.runtime.manifest import FieldPath, PodManifest, Refused
from mesh.local.runtime.state import write_atomically

_REFERENCE = re.compile(r"\$(\$|\(([^()\s]+)\))")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_SOURCES = (
    "configMap",
    "secret",
    "emptyDir",
    "downwardAPI",
    "projected",
    "hostPath",
    "csi",
    "persistentVolumeClaim",
)

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Driven:
    """A volume whose contents a driver of the mesh keeps, such as `discovery.delinkcious.io`."""

    driver: str


@dataclass(frozen=True)
class Claimed:
    """A volume that outlives its Pod, and the mesh: the folder of a PersistentVolumeClaim."""

    claim: str


@dataclass(frozen=True)
class Folders:
    """Where lies what a Pod does not own: by driver, and the claims of its namespace."""

    driven: Mapping[str, Path]
    claims: Path


Content = Files | Path | Driven | Claimed | None


def contents(pod: PodManifest, config: Config, fields: Mapping[str, str]) -> dict[str, Content]:
    """What every volume holds: files, a folder of the machine or of a driver, None for an empty one.

    Raises Refused.
    """
    found: dict[str, Content] = {}
    for index, volume in enumerate(pod.spec.get("volumes") or []):
        path: FieldPath = ("spec", "volumes", index)
        kind = next((kind for kind in _SOURCES if volume.get(kind) is not None), None)
        if kind is None:
            sources = ", ".join(sorted(volume.keys() - {"name"})) or "no source"
            raise Refused(
                path, f"a volume of {sources} is valid on Kubernetes, not supported by the local mesh"
            )
        if kind == "emptyDir":
            found[volume["name"]] = None
        elif kind == "hostPath":
            found[volume["name"]] = Path(volume["hostPath"]["path"])
        elif kind == "csi":
            found[volume["name"]] = Driven(volume["csi"]["driver"])
        elif kind == "persistentVolumeClaim":
            claim = volume[kind]["claimName"]
            known = claim in pod.claims or config.get("PersistentVolumeClaim", pod.namespace, claim)
            if not known:
                what = f"the PersistentVolumeClaim {pod.namespace}/{claim} does not exist"
                raise Refused((*path, kind, "claimName"), what)
            found[volume["name"]] = Claimed(str(_inside(claim, (*path, kind, "claimName"))))
        elif kind == "projected":
            files: dict[str, bytes] = {}
            for number, source in enumerate(volume["projected"].get("sources") or []):
                files |= _files(pod, config, fields, source, (*path, "projected", "sources", number))
            found[volume["name"]] = files
        else:
            found[volume["name"]] = _files(pod, config, fields, volume, path)
    return found


def write(folder: Path, volumes: Mapping[str, Content], folders: Folders) -> None:
    """Make the folders equal to `volumes`, each changing as a whole, as the kubelet does by `..data`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, files in volumes.items():
        target = folder / name
        if isinstance(files, Path):
            continue
        if isinstance(files, Driven):
            _link(target, folders.driven[files.driver])
            continue
        if isinstance(files, Claimed):
            kept = folders.claims / files.claim
            kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            _link(target, kept)
            continue
        target.mkdir(exist_ok=True, mode=0o700)
        if files is not None:
            _write_files(target, files)


def mounts(
    pod: PodManifest, container: Json, path: FieldPath, folder: Path, variables: Mapping[str, str]
) -> dict[str, str]:
    """Mount path -> real path of one container, longest first; with `variables` in them. Raises Refused."""
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes") or []}
    found = {}
    for index, mount in enumerate(container.get("volumeMounts") or []):
        here = (*path, "volumeMounts", index)
        if mount["name"] not in volumes:
            raise Refused((*here, "name"), f"no volume is called {mount['name']}")
        host = (volumes[mount["name"]].get("hostPath") or {}).get("path")
        real = Path(host) if host else folder / mount["name"]
        if sub := mount.get("subPath"):
            real /= _inside(sub, (*here, "subPath"))
        elif written := mount.get("subPathExpr"):
            real /= _inside(expand(written, variables), (*here, "subPathExpr"))
        found[mount["mountPath"].rstrip("/") or "/"] = str(real)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def make_parts(real: Iterable[str], folder: Path) -> None:
    """Make the folders that a `subPath` names and nobody has made, inside the volumes of `folder`."""
    for path in map(Path, real):
        if path.is_relative_to(folder) and not path.exists():
            path.mkdir(parents=True, exist_ok=True, mode=0o700)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: `$$` is a dollar, an unknown name stays as it is written."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def translate(text: str, mounted: Mapping[str, str]) -> str:
    """`text` with every mount path in it, as a whole path or the front part of one, made real."""
    if not mounted or "/" not in text:
        return text
    paths = "|".join(re.escape(path) for path in mounted if path != "/")
    if not paths:
        return text
    return re.sub(rf"(?<![\w./~-])(?:{paths})(?![\w.-])", lambda match: mounted[match[0]], text)


def data_of(config: Config, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    """Keys and values of a ConfigMap or Secret; None when it does not exist."""
    resource = config.get(kind, namespace, name)
    if resource is None:
        return None
    body = resource.body
    encoded, plain = ("data", "stringData") if kind == "Secret" else ("binaryData", "data")
    try:
        found = {key: base64.b64decode(value) for key, value in (body.get(encoded) or {}).items()}
    except (binascii.Error, ValueError) as error:
        raise Refused((), f"{kind} {namespace}/{name}: {encoded} is not base64") from error
    found |= {key: str(value).encode() for key, value in (body.get(plain) or {}).items()}
    return found


def _files(
    pod: PodManifest, config: Config, fields: Mapping[str, str], source: Json, path: FieldPath
) -> dict[str, bytes]:
    if (projection := source.get("downwardAPI")) is not None:
        return dict(_downward(pod, projection, fields, (*path, "downwardAPI")))
    kind, word = ("Secret", "secret") if source.get("secret") is not None else ("ConfigMap", "configMap")
    projection = source.get(word)
    if projection is None:
        raise Refused(path, f"a projection of {', '.join(source)} is not supported by the local mesh")
    name = projection.get("secretName") or projection.get("name") or ""
    data = data_of(config, kind, pod.namespace, name)
    if data is None:
        if projection.get("optional"):
            return {}
        raise Refused((*path, word), f"the {kind} {pod.namespace}/{name} does not exist")
    items = projection.get("items")
    if items is None:
        for key in data:
            if not _KEY.fullmatch(key) or key in (".", "..") or key.startswith(".."):
                raise Refused((*path, word), f"the key {key!r} of {kind} {name} is no file name")
        return data
    return dict(_items(items, data, (*path, word, "items"), f"{kind} {name}"))


def _items(items: Any, data: Files, path: FieldPath, owner: str) -> Iterator[tuple[str, bytes]]:
    for index, item in enumerate(items):
        if item["key"] not in data:
            raise Refused((*path, index, "key"), f"{owner} has no key {item['key']}")
        yield str(_inside(item["path"], (*path, index, "path"))), data[item["key"]]


def _downward(
    pod: PodManifest, projection: Json, fields: Mapping[str, str], path: FieldPath
) -> Iterator[tuple[str, bytes]]:
    for index, item in enumerate(projection.get("items") or []):
        here = (*path, "items", index)
        if (reference := item.get("resourceFieldRef")) is not None:
            told = downward.size(pod, reference, (*here, "resourceFieldRef"))
            yield str(_inside(item["path"], (*here, "path"))), told.encode()
            continue
        field = (item.get("fieldRef") or {}).get("fieldPath") or ""
        if field not in fields:
            raise Refused(here, f"the field {field} is not supported by the local mesh")
        yield str(_inside(item["path"], (*here, "path"))), fields[field].encode()


def _inside(text: str, path: FieldPath) -> Path:
    """A relative path that stays inside its folder. Raises Refused."""
    found = Path(text)
    if found.is_absolute() or ".." in found.parts or not found.parts or "\0" in text:
        raise Refused(path, f"{text!r} leads out of the volume")
    if found.parts[0].startswith(".."):
        raise Refused(path, f"{text!r} begins with two dots, which are the volume's own")
    return found


def _write_files(target: Path, files: Files) -> None:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    version = target / f"..{digest.hexdigest()[:16]}"
    current = target / "..data"
    if current.is_symlink() and current.readlink().name == version.name and version.is_dir():
        return
    shutil.rmtree(version, ignore_errors=True)
    version.mkdir(mode=0o700)
    for name, data in files.items():
        file = version / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(file, data)
    _link(current, Path(version.name))
    tops = {Path(name).parts[0] for name in files}
    for top in tops:
        _link(target / top, Path("..data") / top)
    for child in target.iterdir():
        if child.is_symlink() and child.name not in tops | {"..data"}:
            child.unlink()
        elif child.is_dir() and not child.is_symlink() and child.name not in (version.name,):
            shutil.rmtree(child)


def _link(link: Path, to: Path) -> None:
    temporary = link.with_name(f"..{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(to)
    os.replace(temporary, link)
