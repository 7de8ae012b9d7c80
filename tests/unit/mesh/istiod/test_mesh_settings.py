"""MeshConfig as istiod is given it."""

from __future__ import annotations

import json
from typing import Any

from mesh.local import resources
from mesh.local.istiod import mesh_settings
from mesh.local.model import Config

SAID = """
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |
    accessLogFile: /dev/stdout
    defaultConfig: {{ concurrency: {concurrency}, proxyMetadata: {{ SAID: "yes" }} }}
  meshNetworks: |
    networks: {{}}
"""


def _config_map(text: str) -> Any:
    return mesh_settings.config_map(Config(resources.parse(text, "a.yaml")))


def test_what_was_said_stands_beside_the_mark() -> None:
    body = _config_map(SAID.format(concurrency=2))
    settings = json.loads(body["data"]["mesh"])
    mark = mesh_settings.mark(body)
    assert mark
    assert settings["accessLogFile"] == "/dev/stdout"
    assert settings["defaultConfig"] == {
        "concurrency": 2,
        "proxyMetadata": {"SAID": "yes", mesh_settings.MARK: mark},
    }
    assert body["data"]["meshNetworks"] == "networks: {}\n"
    assert mesh_settings.is_settings(body)


def test_access_logs_are_on_here_until_they_are_switched_off() -> None:
    off = SAID.format(concurrency=2).replace("accessLogFile: /dev/stdout", 'accessLogFile: ""')
    files = [json.loads(_config_map(text)["data"]["mesh"])["accessLogFile"] for text in ("", off)]
    assert files == ["/dev/stdout", ""]


def test_other_settings_and_none_have_other_marks() -> None:
    texts = [SAID.format(concurrency=2), SAID.format(concurrency=3), ""]
    assert len({mesh_settings.mark(_config_map(text)) for text in texts}) == 3
    assert mesh_settings.shown({"rootNamespace": "istio-system"}) == ""
