"""What a container's process is told, and what a Pod spec may not ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.local.model import Config
from mesh.local.resources import parse
from mesh.local.runtime import environment, volumes
from mesh.local.runtime.addresses import Pair
from mesh.local.runtime.environment import Place
from mesh.local.runtime.manifest import PodManifest, Refused

FOLDERS = volumes.Folders({}, Path("/none"))
PLACE = Place(Pair("127.1.0.2", "127.1.0.3"), ("127.1.0.2", 15001))
CONFIG = Config(
    parse(
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOUR: red, greeting: hello, not a name: x}
---
apiVersion: v1
kind: Secret
metadata: {name: store}
data: {url: cG9zdGdyZXM6Ly94}
""",
        "config.yaml",
    )
)


def _pod(container: dict[str, Any], **spec: Any) -> PodManifest:
    body = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", **container}], **spec},
    }
    return PodManifest("a-0", "default", "a", body)


def _env(container: dict[str, Any], place: Place = PLACE) -> dict[str, str]:
    path = ("spec", "containers", 0)
    return environment.environment(_pod(container), container, path, place, CONFIG)


def test_the_manifest_has_the_last_word_on_a_variable() -> None:
    ports = [{"containerPort": 9080}]
    assert _env({"ports": ports})["PORT"] == "9080"
    assert _env({"ports": ports, "env": [{"name": "PORT", "value": "1"}]})["PORT"] == "1"


def test_without_a_sidecar_the_process_has_the_pod_ip_and_no_proxy() -> None:
    env = _env({}, Place(PLACE.addresses, None))
    assert env["HOST"] == "127.1.0.2"
    assert "HTTP_PROXY" not in env


def test_variables_come_from_maps_secrets_and_fields() -> None:
    env = _env(
        {
            "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "MY_"}],
            "env": [
                {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "store", "key": "url"}}},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "OFF", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
            ],
        }
    )
    assert (env["MY_COLOUR"], env["URL"], env["APP"]) == ("red", "postgres://x", "a")
    assert "OFF" not in env
    assert not any(" " in name for name in env)


def test_references_are_expanded_as_on_kubernetes() -> None:
    known = {"A": "1"}
    assert volumes.expand("$(A) $$(A) $(NONE) $A", known) == "1 $(A) $(NONE) $A"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}, "does not exist"),
        ({"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}}, "has no key k"),
        ({"valueFrom": {"fileKeyRef": {"path": "x"}}}, "not supported by the local mesh"),
    ],
)
def test_a_missing_source_is_refused(env: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message) as refused:
        _env({"env": [{"name": "X", **env}]})
    assert refused.value.path[:5] == ("spec", "containers", 0, "env", 0)


def test_an_image_without_a_command_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match=r"`command`.*delinkcious\.io/command"):
        _pod({"image": "nginx"}).argv(0)


def test_an_annotation_gives_the_command_of_an_image() -> None:
    pod = _pod({"image": "nginx", "args": ["-x"]})
    pod.body["metadata"]["annotations"] = {"delinkcious.io/command": "python -m 'http server'"}
    assert pod.argv(0) == ["python", "-m", "http server", "-x"]


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("/etc/app/key", "/state/v/key"),
        ("--file=/etc/app", "--file=/state/v"),
        ("/etc/app:/etc/app/x", "/state/v:/state/v/x"),
        ("/etc/application", "/etc/application"),
        ("/opt/etc/app", "/opt/etc/app"),
        ("/etc/app.d", "/etc/app.d"),
    ],
)
def test_mount_paths_are_replaced_as_whole_parts_of_a_path(text: str, real: str) -> None:
    assert volumes.translate(text, {"/etc/app": "/state/v"}) == real


def test_a_path_is_made_real_once_also_when_the_state_lies_below_a_mount_path() -> None:
    mounted = {"/tmp": "/tmp/state/v"}  # noqa: S108
    container = {
        "env": [{"name": "A", "value": "/tmp/x"}, {"name": "B", "value": "$(A)/y"}],  # noqa: S108
        "volumeMounts": [{"name": "v", "mountPath": "/tmp"}],  # noqa: S108
    }
    env = environment.real(_env(container), mounted)
    assert (env["A"], env["B"]) == ("/tmp/state/v/x", "/tmp/state/v/x/y")  # noqa: S108
    assert env["TMPDIR"] == "/tmp/state/v"  # noqa: S108


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "..data", ""])
def test_a_volume_file_stays_in_its_volume(path: str) -> None:
    items = [{"key": "greeting", "path": path}]
    pod = _pod({}, volumes=[{"name": "v", "configMap": {"name": "settings", "items": items}}])
    with pytest.raises(Refused):
        volumes.contents(pod, CONFIG, {})


def test_volume_files_are_private_and_change_together(tmp_path: Path) -> None:
    volumes.write(tmp_path, {"v": {"a": b"1", "sub/b": b"2"}}, FOLDERS)
    file = tmp_path / "v" / "a"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "v" / "sub" / "b").read_bytes() == b"2"
    volumes.write(tmp_path, {"v": {"a": b"3"}}, FOLDERS)
    assert file.read_bytes() == b"3"
    assert sorted(child.name for child in (tmp_path / "v").iterdir() if child.name[:2] != "..") == ["a"]
