"""Files to resources."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mesh.local.model import Finding, InvalidConfig
from mesh.local.resources import MAX_FILE_BYTES, field_name, load, parse

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"
ROOT = Path(__file__).parents[4]


def refused(text: str) -> tuple[Finding, ...]:
    with pytest.raises(InvalidConfig) as caught:
        parse(text, "a.yaml")
    return caught.value.findings


def refused_files(*paths: Path) -> str:
    with pytest.raises(InvalidConfig) as caught:
        load(paths)
    return str(caught.value)


def test_a_resource_has_kubernetes_default_namespace() -> None:
    (service,) = parse(SERVICE, "a.yaml")
    assert (service.api_version, service.kind, service.namespace, service.name) == (
        "v1",
        "Service",
        "default",
        "a",
    )
    assert service.source.line == 1
    assert service.source.line_of(("metadata", "name")) == 4
    assert service.source.line_of(("metadata", "labels", "x")) == 3


def test_a_cluster_scoped_kind_has_no_namespace() -> None:
    (namespace,) = parse("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "a.yaml")
    assert namespace.namespace == ""


def test_the_items_of_a_list_are_resources_with_their_own_lines() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: Service\n  metadata:\n    name: a\n    labels: null\n"
        "- apiVersion: v1\n  kind: Service\n  metadata: {name: b}\n"
    )
    first, second = parse(text, "a.yaml")
    assert [first.name, second.name] == ["a", "b"]
    assert (first.source.line, second.source.line) == (4, 9)
    assert first.source.line_of(("metadata", "name")) == 7
    assert first.source.nulls == (("metadata", "labels"),)


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("kind: Service\nmetadata: {name: a}", 1, "apiVersion", "is required"),
        ("apiVersion: v1\nmetadata: {name: a}", 1, "kind", "is required"),
        ("apiVersion: v1\nkind: Service", 1, "metadata.name", "is required"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: 5}", 3, "metadata.name", "must be text, not 5"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: A}", 3, "metadata.name", "'A' is no valid name"),
        ("apiVersion: v1\nkind: S\nmetadata: {name: ../x}", 3, "metadata.name", "is no valid name"),
        (
            "apiVersion: v1\nkind: S\nmetadata: {name: a, namespace: a.b}",
            3,
            "metadata.namespace",
            "no valid name",
        ),
        (
            "apiVersion: v1\nkind: S\nmetadata: {name: a, namespace: true}",
            3,
            "metadata.namespace",
            "must be text",
        ),
        ("apiVersion: v1\nkind: S\nmetadata: a", 3, "metadata.name", "is required"),
        ("- a", 1, "", "is no object"),
        ("a", 1, "", "is no object"),
    ],
)
def test_an_envelope_that_is_wrong_is_named(text: str, line: int, field: str, message: str) -> None:
    (found,) = refused(text)
    assert (found.file, found.line, found.field) == ("a.yaml", line, field)
    assert message in found.message


def test_a_duplicate_key_is_told_with_the_resource_it_is_in() -> None:
    (found,) = refused(f"{SERVICE}spec:\n  type: ClusterIP\n  type: NodePort\n")
    assert str(found) == (
        'a.yaml:7: error: Service default/a: spec.type: duplicate key "type", first written in line 6'
    )


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Service\n")
    (tmp_path / "b.yaml").write_text("a: [")
    message = refused_files(tmp_path, tmp_path / "gone.yaml")
    assert "a.yaml:1: error: Service default/: apiVersion: is required" in message
    assert "b.yaml:1: error: File b.yaml: not readable as YAML" in message
    assert "gone.yaml: error: File gone.yaml: cannot be read: No such file or directory" in message


def test_a_resource_in_two_files_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "b.yaml").write_text(f"# comment\n{SERVICE}")
    message = refused_files(tmp_path)
    assert f"{tmp_path}/b.yaml:2: error: Service default/a: is declared twice" in message
    assert f"first in {tmp_path}/a.yaml:1" in message


def test_a_folder_gives_its_configuration_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(SERVICE.replace("name: a", "name: b"))
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}')
    for name in ("kustomization.yaml", ".a.yaml.swp", ".#b.yaml", "a.yaml~", "notes.txt"):
        (tmp_path / name).write_text("not: [yaml")
    assert [resource.name for resource in load([tmp_path])] == ["a", "b"]


def test_a_folder_without_configuration_is_a_mistake(tmp_path: Path) -> None:
    assert "is a folder without a *.yaml, *.yml or *.json" in refused_files(tmp_path)


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_an_empty_file_is_a_mistake_but_a_comment_is_not(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert "is empty" in refused_files(file)
    file.write_text("# nothing yet\n")
    assert load([file]) == []


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: b\nc: \xff\n")
    assert "a.yaml:2: error: File a.yaml: is not UTF-8" in refused_files(file)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with file.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    assert f"more than {MAX_FILE_BYTES}" in refused_files(file)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert "is no plain file" in refused_files(tmp_path / "a.yaml")


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(SERVICE)
    plain_open = Path.open

    def open_and_write(self: Path, mode: str = "r") -> object:
        stream = plain_open(self, mode)
        with plain_open(self, "a") as writer:
            writer.write("spec: {}\n")
        return stream

    monkeypatch.setattr(Path, "open", open_and_write)
    assert "changed while it was read" in refused_files(file)


def test_a_path_is_written_as_people_write_it() -> None:
    assert field_name(("spec", "http", 0, "headers", "x-a")) == "spec.http[0].headers.x-a"
    assert field_name(("metadata", "labels", "a.b/c")) == 'metadata.labels["a.b/c"]'
    assert field_name(()) == ""


def test_a_file_of_200_lines_loads_in_a_few_milliseconds() -> None:
    text = (ROOT / "mesh/istio/security.yaml").read_text()
    text = "".join(f"{text.replace('name: ', f'name: n{n}-')}---\n" for n in range(2))[:100_000]
    assert text.count("\n") >= 200
    times = []
    for _ in range(10):
        start = time.process_time()
        parse(text, "security.yaml")
        times.append(time.process_time() - start)
    assert min(times) < 0.025
