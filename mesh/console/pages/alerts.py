"""Alerts of Prometheus, those that fire first, each with its runbook."""

from __future__ import annotations

from importlib import resources
from typing import Any

import aiohttp
import msgspec
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from mesh.console.errors import Away, NotThere
from mesh.console.page import Visit
from mesh.console.settings import PROMETHEUS

TIMEOUT = aiohttp.ClientTimeout(total=5)
STATES = ("firing", "pending", "inactive")
# No HTML of the file's own; addresses of scripts are refused by the library.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


class Alert(msgspec.Struct):
    state: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    active_at: str = msgspec.field(default="", name="activeAt")
    value: str = ""


class Rule(msgspec.Struct):
    name: str
    state: str = "inactive"
    query: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    alerts: list[Alert] = []


class Group(msgspec.Struct):
    name: str
    rules: list[Rule] = []


class Groups(msgspec.Struct):
    groups: list[Group] = []


class Rules(msgspec.Struct):
    data: Groups


async def show(visit: Visit) -> Response:
    rules = await _rules(visit, await visit.deps.tools.url(PROMETHEUS))
    rules.sort(key=lambda rule: (STATES.index(rule.state) if rule.state in STATES else 0, rule.name))
    counts = {state: sum(rule.state == state for rule in rules) for state in STATES}
    # An objective has a rule for each of its windows: the quiet ones say the same.
    quiet = {(rule.name, rule.labels.get("severity", "")): rule for rule in rules if rule.state == "inactive"}
    return visit.render(
        "alerts.html",
        rules=[rule for rule in rules if rule.state != "inactive"],
        quiet=list(quiet.values()),
        counts=counts,
        runbooks=_runbooks(),
    )


async def runbook(visit: Visit) -> Response:
    # Runbooks name each other as files.
    name = visit.request.path_params["name"].removesuffix(".md")
    if name not in _runbooks():
        raise NotThere(f"There is no runbook {name}.")
    text = (resources.files("telemetry") / "runbooks" / f"{name}.md").read_text()
    return visit.render("runbook.html", name=name, html=rendered(text))


def rendered(text: str) -> Markup:
    """Markdown as HTML, in which nothing of the text itself is markup."""
    return Markup(_MARKDOWN.render(text))  # noqa: S704 - the library has escaped it


def _runbooks() -> set[str]:
    folder = resources.files("telemetry") / "runbooks"
    names = (file.name for file in folder.iterdir()) if folder.is_dir() else ()
    return {name.removesuffix(".md") for name in names if name.endswith(".md")}


async def _rules(visit: Visit, base: str) -> list[Rule]:
    """Every alerting rule. Raises Away."""
    query: dict[str, Any] = {"type": "alert"}
    try:
        url = f"{base}/api/v1/rules"
        async with visit.deps.session.get(url, params=query, timeout=TIMEOUT) as answer:
            body = await answer.read()
        found = msgspec.json.decode(body, type=Rules)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away("Prometheus does not answer.") from error
    except msgspec.MsgspecError as error:
        raise Away("Prometheus did not answer as it should.") from error
    return [rule for group in found.data.groups for rule in group.rules]
