"""What the command line makes of Rollout objects, without a cluster."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from delinkcious.canary import fetching
from delinkcious.canary.kubernetes import chosen, told
from delinkcious.commands.canary import canary
from mesh.canary.platform import PlatformError

Json = dict[str, Any]


def rollout(name: str, service: str, **status: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"service": service}, "status": status}


def test_an_object_is_meant_by_its_name_its_service_or_its_run() -> None:
    one, other = rollout("links", "news", run="1"), rollout("feeds", "links", run="2")
    assert chosen([other, one], "links") is one
    assert chosen([one, other], "news") is one
    assert chosen([one, other], "2") is other
    with pytest.raises(PlatformError, match="of 'web': there are links, feeds"):
        chosen([one, other], "web")
    with pytest.raises(PlatformError, match="there is none"):
        chosen([], "web")


def test_where_one_stands_is_told_in_lines() -> None:
    arms = {"requests": {"stable": 900, "canary": 100}, "errors": {"stable": 1, "canary": 2}}
    body = rollout(
        "links",
        "links",
        run="r1",
        phase="stepping",
        weight=10,
        wealth=1.234,
        reason="learned",
        waitsFor=["gate qa"],
        refused={"id": "x", "why": "no"},
        **arms,
    )
    assert told(body) == [
        "links: run r1: stepping, 10 %, wealth 1.23",
        "  because learned",
        "  stable: 900 requests, 1 errors",
        "  canary: 100 requests, 2 errors",
        "  waits for gate qa",
        "  refused last: no",
    ]
    assert told({"metadata": {"name": "a"}, "spec": {"service": "b"}}) == ["b: no run yet"]


@pytest.mark.parametrize("field", ["namespace", "service", "run"])
def test_a_list_of_runs_leads_out_of_no_folder(field: str) -> None:
    kept = {"namespace": "app", "service": "links", "run": "20260101-000000-abcd"}
    assert msgspec.convert(kept, fetching.Kept).run == kept["run"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**kept, field: "../../x"}, fetching.Kept)


def test_a_namespace_is_of_kubernetes_only() -> None:
    found = CliRunner().invoke(canary, ["pause", "links", "-n", "app"])
    assert found.exit_code == 2
    assert "are for --kubernetes" in found.output


def test_a_kubeconfig_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none.yaml"))
    found = CliRunner().invoke(canary, ["status", "--kubernetes"])
    assert found.exit_code == 1
    assert "the Kubernetes API cannot be asked" in found.output


@pytest.mark.parametrize("command", [["status"], ["pause", "links"], ["start", "links"], ["history"]])
def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("lightkube", "mesh.canary.kubernetes"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightkube", None)
    found = CliRunner().invoke(canary, [*command, "--kubernetes"])
    assert found.exit_code == 1
    assert "pip install 'delinkcious[kubernetes]'" in found.output
