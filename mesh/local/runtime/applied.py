"""What `mesh apply` and `mesh delete` said, kept in the state folder over restarts of the mesh.

The last word wins, per object. What is applied stands above the watched files until the object's text
in its file changes: then the file speaks last, and the applied form is forgotten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mesh.local.model import Json, Resource, Source
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import write_atomically

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Word:
    """The applied form of an object, None when it was deleted; `over` is the file's form it was said over."""

    resource: Resource | None
    over: str | None


Words = Mapping[Key, Word]


def bare(resource: Resource) -> Resource:
    """Without the version under which somebody has read it."""
    metadata = dict(resource.body["metadata"])
    if metadata.pop("resourceVersion", None) is None:
        return resource
    return replace(resource, body={**resource.body, "metadata": metadata})


def digest(resource: Resource | None) -> str | None:
    if resource is None:
        return None
    text = json.dumps([resource.api_version, bare(resource).body], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def merge(declared: Iterable[Resource], words: Words) -> tuple[list[Resource], dict[Key, Word]]:
    """The resources in force, and the words that still hold."""
    by_key = {resource.key: resource for resource in declared}
    held = {key: word for key, word in words.items() if word.over == digest(by_key.get(key))}
    for key, word in held.items():
        if word.resource is None:
            by_key.pop(key, None)
        else:
            by_key[key] = word.resource
    return list(by_key.values()), {key: word for key, word in held.items() if word.resource or word.over}


def save(path: Path, words: Words) -> None:
    write_atomically(path, json.dumps([_encoded(key, word) for key, word in words.items()]))


def load(path: Path) -> dict[Key, Word]:
    """Raises MeshError when the file is damaged."""
    try:
        return dict(_decoded(entry) for entry in json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise MeshError(f"{path} is damaged ({error}); remove it to forget what was applied") from error


def _encoded(key: Key, word: Word) -> Json:
    resource = word.resource
    if resource is None:
        return {"key": key, "over": word.over}
    lines = [[list(path), line] for path, line in resource.source.lines.items()]
    source = {"file": resource.source.file, "line": resource.source.line, "lines": lines}
    return {
        "key": key,
        "over": word.over,
        "apiVersion": resource.api_version,
        "body": resource.body,
        "source": source,
    }


def _decoded(entry: Any) -> tuple[Key, Word]:
    kind, namespace, name = entry["key"]
    key = (str(kind), str(namespace), str(name))
    if "body" not in entry:
        return key, Word(None, entry["over"])
    source = entry["source"]
    lines = {tuple(path): int(line) for path, line in source["lines"]}
    where = Source(source["file"], source["line"], lines)
    return key, Word(Resource(entry["apiVersion"], *key, entry["body"], where), entry["over"])
