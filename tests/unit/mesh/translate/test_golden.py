"""Golden pairs: `golden/NAME.in.yaml` is what people write, `NAME.envoy.yaml` what one proxy is told.

The first lines of an input say what is shown: `# proxy: client` and `# show: routes, clusters REGEX`,
where REGEX (default: everything) is searched in the names of resources, of routes' virtual hosts.
`pytest tests/unit/mesh/translate --rewrite-golden` writes the outputs anew; read the diff.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh.local import resources, snapshot
from mesh.local.model import Config, Json, Snapshot
from tests.unit.mesh.translate.world import PROXIES, known

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".in.yaml") for path in GOLDEN.glob("*.in.yaml"))


@pytest.mark.parametrize("name", CASES)
def test_translation_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    made = shown(GOLDEN / f"{name}.in.yaml")
    golden = GOLDEN / f"{name}.envoy.yaml"
    if request.config.getoption("--rewrite-golden", default=False):
        golden.write_text(yaml.dump(made, Dumper=_Plain, sort_keys=False, width=110))
    assert made == yaml.safe_load(golden.read_text())


def translated(path: Path) -> tuple[Snapshot, str]:
    """The snapshot that an input asks for, and its text."""
    text = path.read_text()
    proxy = PROXIES[_directive(text, "proxy")]
    config = Config(resources.parse(text, path.name))
    return snapshot.build(proxy, config, known(config), {}), text


def shown(path: Path) -> Json:
    made, text = translated(path)
    kinds, _, pattern = _directive(text, "show").partition(" ~ ")
    return {kind: _picked(kind, getattr(made, kind), pattern) for kind in kinds.split(", ")}


def _picked(kind: str, found: Mapping[str, Json], pattern: str) -> list[Json]:
    if kind != "routes":
        return [body for name, body in sorted(found.items()) if re.search(pattern, name)]
    return [
        {
            **body,
            "virtual_hosts": [host for host in body["virtual_hosts"] if re.search(pattern, host["name"])],
        }
        for body in found.values()
    ]


def _directive(text: str, name: str) -> str:
    match = re.search(rf"^# {name}: (.+)$", text, re.MULTILINE)
    assert match, f"no line '# {name}: ...'"
    return match[1]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
