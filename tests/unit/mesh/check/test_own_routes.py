"""The project's own routes: a request may last as long inside the mesh as it may at the edge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ISTIO = Path(__file__).parents[4] / "mesh" / "istio"
SPLITS = ISTIO.with_name("splits")


def route(file: str, name: str, path: str) -> dict[str, Any]:
    """The first route of a VirtualService that takes a path on port 80."""
    documents = yaml.safe_load_all((ISTIO / file).read_text())
    found = next(
        document
        for document in documents
        if document["kind"] == "VirtualService" and document["metadata"]["name"] == name
    )
    routes: list[dict[str, Any]] = found["spec"]["http"]
    return next(each for each in routes if "match" not in each or any(map(takes(path), each["match"])))


def takes(path: str) -> Any:
    def matches(match: dict[str, Any]) -> bool:
        uri = match.get("uri", {"prefix": "/"})
        if "regex" in uri:
            return re.fullmatch(uri["regex"], path) is not None
        return path == uri["exact"] if "exact" in uri else path.startswith(uri["prefix"])

    return matches


@pytest.mark.parametrize("path", ["/api/v1/exports", "/api/v1/imports/a-key"])
def test_a_file_that_the_pages_pass_on_may_last_as_long_as_at_the_edge(path: str) -> None:
    edge = route("gateway.yaml", "delinkcious", path)
    pages = route("gateway.yaml", "delinkcious", "/account/data.zip")
    inside = route("links.yaml", "links", path)
    for field in ("timeout", "retries"):
        assert inside[field] == edge[field] == pages[field], inside["name"]


def test_everything_else_of_links_keeps_the_usual_time() -> None:
    usual = route("links.yaml", "links", "/api/v1/links")
    assert usual["name"] == "mesh" and usual["timeout"] == "15s"


OWN = ("users", "links", "social-graph")
PATHS = ("", "/", "/1", "/1/2")


@pytest.mark.parametrize("service", OWN)
def test_what_may_be_sent_again_goes_where_the_rest_goes(service: str) -> None:
    documents = yaml.safe_load_all((ISTIO / "gateway.yaml").read_text())
    routes = {each["name"]: each for each in next(documents_of(documents))["spec"]["http"]}
    again, rest = routes[f"{service}-again"], routes[service]
    assert again["delegate"] == rest["delegate"] and again["timeout"] == rest["timeout"]
    bases = [match["uri"]["exact"] for match in rest["match"] if "exact" in match["uri"]]
    for path in (base + more for base in bases for more in PATHS):
        asked = any(map(takes(path), rest["match"]))
        assert all(takes(path)(match) == asked for match in again["match"]), path


def documents_of(documents: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """The VirtualServices."""
    return (document for document in documents if document["kind"] == "VirtualService")


def test_each_split_is_one_object_of_two_weights_that_only_its_own_file_declares() -> None:
    rest = [each for file in ISTIO.glob("*.yaml") for each in yaml.safe_load_all(file.read_text())]
    asked = {
        route["delegate"]["name"]
        for each in documents_of(iter(rest))
        for route in each["spec"]["http"]
        if "delegate" in route
    }
    splits = {file.stem: yaml.safe_load(file.read_text()) for file in SPLITS.glob("*.yaml")}
    assert {f"{service}-routes" for service in splits} == asked
    assert not asked & {each["metadata"]["name"] for each in rest}
    for service, split in splits.items():
        assert split["metadata"] == {"name": f"{service}-routes", "namespace": "delinkcious"}
        [route] = split["spec"]["http"]
        assert [(to["destination"]["subset"], to["weight"]) for to in route["route"]] == [
            ("v1", 100),
            ("v2", 0),
        ]
