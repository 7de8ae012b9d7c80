"""Files of Kubernetes and Istio YAML (or JSON) to resources that remember their lines.

What is read here is the envelope (`apiVersion`, `kind`, `metadata`); what stands in a resource is
judged by `schema`, what resources say together by `check`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mesh.local.documents import Document, Malformed, documents
from mesh.local.documents import Path as FieldPath
from mesh.local.model import Finding, InvalidConfig, Json, Resource, Source

MAX_FILE_BYTES = 8 * 1024 * 1024  # Kubernetes takes 1.5 MiB an object; a file may hold many
DEFAULT_NAMESPACE = "default"
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_KUSTOMIZATION = frozenset({"kustomization.yaml", "kustomization.yml"})  # kustomize's own, no resource
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)


def load(paths: Sequence[Path]) -> list[Resource]:
    """The resources of files and of the *.yaml, *.yml and *.json directly in folders, in order.

    Raises:
        InvalidConfig: with everything that is wrong in any file.
    """
    resources: list[Resource] = []
    findings: list[Finding] = []
    for path in paths:
        try:
            for file in files_of(path):
                resources += _resources(read_text(file), str(file), findings)
        except InvalidConfig as error:
            findings += error.findings
    return _checked(resources, findings)


def parse(text: str, file: str) -> list[Resource]:
    """The resources of a text, `file` being what findings call it.

    Raises:
        InvalidConfig: with everything that is wrong in the text.
    """
    findings: list[Finding] = []
    return _checked(_resources(text, file, findings), findings)


def read_text(file: Path) -> str:
    """The text of a file that stands still.

    Raises:
        InvalidConfig: it is missing, no plain file, too large, empty, not UTF-8, or was being written.
    """
    try:
        before = file.stat()
        if not stat.S_ISREG(before.st_mode):
            raise _refused(file, "is no plain file")
        if before.st_size > MAX_FILE_BYTES:
            raise _refused(file, f"has {before.st_size} bytes, more than {MAX_FILE_BYTES}")
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        after = file.stat()
    except OSError as error:
        raise _refused(file, f"cannot be read: {error.strerror}") from error
    unchanged = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    if not unchanged or len(data) != after.st_size:
        raise _refused(file, "changed while it was read")
    if not data.strip():
        raise _refused(file, "is empty; a file that is to declare nothing holds a comment")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(file, "is not UTF-8", line) from error


def duplicates(resources: Iterable[Resource]) -> list[Finding]:
    """One error for every resource that was declared before under the same kind, namespace and name."""
    first: dict[tuple[str, str, str, str], Resource] = {}
    findings = []
    for resource in resources:
        key = (resource.api_version.rpartition("/")[0], *resource.key)
        earlier = first.setdefault(key, resource)
        if earlier is not resource:
            where = f"{earlier.source.file}:{earlier.source.line}"
            findings.append(finding(resource, (), f"is declared twice, first in {where}", id="DM0003"))
    return findings


def finding(
    resource: Resource, path: FieldPath, message: str, *, warning: bool = False, id: str = ""
) -> Finding:
    """A finding about the field at `path` of a resource, with its line; `id` is that of its message."""
    return Finding(
        level="warning" if warning else "error",
        file=resource.source.file,
        line=resource.source.line_of(path),
        kind=resource.kind,
        name=f"{resource.namespace}/{resource.name}" if resource.namespace else resource.name,
        field=field_name(path),
        message=message,
        id=id,
    )


def field_name(path: FieldPath) -> str:
    """A path as people write it: `spec.http[0].route`, `metadata.labels["a.b/c"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][-\w]*", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def _checked(resources: list[Resource], findings: list[Finding]) -> list[Resource]:
    findings += duplicates(resources)
    if findings:
        raise InvalidConfig(findings)
    return resources


def files_of(path: Path) -> list[Path]:
    """The file itself, or the configuration files directly in a folder. Raises InvalidConfig."""
    try:
        if not path.is_dir():
            return [path]
        files = sorted(child for child in path.iterdir() if is_configuration(child.name))
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    if not files:
        raise _refused(path, "is a folder without a *.yaml, *.yml or *.json")
    return files


def is_configuration(name: str) -> bool:
    """Whether a file of a folder counts, by its name."""
    hidden = name.startswith(".")  # editors keep locks and copies there
    return not hidden and name not in _KUSTOMIZATION and Path(name).suffix in _SUFFIXES


def _refused(file: Path, message: str, line: int = 0) -> InvalidConfig:
    return InvalidConfig([Finding("error", str(file), line, "File", file.name, "", message)])


def _resources(text: str, file: str, findings: list[Finding]) -> list[Resource]:
    resources = []
    try:
        for document in documents(text):
            if document.value is None and not document.problems:
                continue
            for part in _flattened(document):
                resource = _resource(part, file)
                mistakes = list(_mistakes(resource, part))
                findings += mistakes
                if not mistakes:
                    resources.append(resource)
    except Malformed as error:
        findings.append(Finding("error", file, error.line, "File", Path(file).name, "", str(error)))
    return resources


def _flattened(document: Document) -> Iterator[Document]:
    """The document, or the items of a `List` as documents of their own."""
    body = document.value
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not str(body.get("kind")).endswith("List"):
        yield document
        return
    parts = [Document(value=item, line=document.line) for item in items]
    for path, line in document.lines.items():
        if len(path) > 1 and path[0] == "items" and isinstance(path[1], int):
            parts[path[1]].lines[path[2:]] = line
    for path in document.nulls:
        if len(path) > 2 and path[0] == "items" and isinstance(path[1], int):
            parts[path[1]].nulls.append(path[2:])
    for path, line, message in document.problems:
        inside = len(path) > 1 and path[0] == "items" and isinstance(path[1], int)
        part = parts[path[1]] if inside else document  # type: ignore[index]
        part.problems.append((path[2:] if inside else path, line, message))
    for part in parts:
        part.line = part.lines.get((), document.line)
    yield from parts


def _resource(document: Document, file: str) -> Resource:
    """The resource of a document, as far as its envelope can be made out."""
    body: Json = document.value if isinstance(document.value, dict) else {}
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kind = _text(body.get("kind"))
    namespace = "" if kind in CLUSTER_SCOPED else _text(metadata.get("namespace")) or DEFAULT_NAMESPACE
    source = Source(file, document.line, document.lines, tuple(document.nulls))
    return Resource(
        _text(body.get("apiVersion")),
        kind or "Document",
        namespace,
        _text(metadata.get("name")),
        body,
        source,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mistakes(resource: Resource, document: Document) -> Iterator[Finding]:
    for path, line, message in document.problems:
        yield replace(finding(resource, path, message), line=line)
    if not isinstance(document.value, dict):
        yield finding(resource, (), "is no object")
        return
    for path, pattern in (
        (("apiVersion",), None),
        (("kind",), None),
        (("metadata", "name"), _NAME),
        (("metadata", "namespace"), _DNS_LABEL),
    ):
        yield from _envelope_mistakes(resource, path, pattern)


def _envelope_mistakes(
    resource: Resource, path: FieldPath, pattern: re.Pattern[str] | None
) -> Iterator[Finding]:
    value: Any = resource.body
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        if path != ("metadata", "namespace"):
            yield finding(resource, path, "is required")
    elif not isinstance(value, str) or not value:
        yield finding(resource, path, f"must be text, not {value!r}")
    elif pattern is not None and not pattern.fullmatch(value):
        yield finding(resource, path, f"{value!r} is no valid name: lower case letters, digits, - (and .)")
