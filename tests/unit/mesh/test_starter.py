"""The manifest for a plain command says what was said, whatever YAML would make of the words."""

from __future__ import annotations

import pytest

from mesh.local.documents import documents
from mesh.local.starter import Program, manifest


@pytest.mark.parametrize("name", ["api", "y", "no", "null", "123", "on", "1e3"])
def test_names_and_words_stay_text(name: str) -> None:
    program = Program(name, ["python", name, ""], 8000, {"A": name}, namespace=name, folder=f"/x/{name}: #")
    found = {document.value["kind"]: document.value for document in documents(manifest(program))}
    assert {(each["metadata"]["name"], each["metadata"]["namespace"]) for each in found.values()} == {
        (name, name)
    }
    pod = found["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["serviceAccountName"] == container["name"] == name
    assert container["command"] == ["python", name, ""]
    assert container["env"] == [{"name": "A", "value": name}]
    assert container["workingDir"] == f"/x/{name}: #"
