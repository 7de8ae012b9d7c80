"""Every version of every service in one line."""

from __future__ import annotations

import pytest
from rich.console import Console

from delinkcious.commands.mesh_top import picture
from mesh.console.metrics.traffic import Flow, Traffic
from mesh.console.topology.standing import Standing, standings
from mesh.console.topology.state import Share, Split, Topology
from tests.unit.mesh.console.test_graph import LINKS_1, LINKS_2, PODS, SPLIT, WEB, pod


def by_version(counted: Traffic, *splits: Split) -> dict[str, Standing]:
    return {one.workload: one for one in standings(Topology(PODS, list(splits)), counted)}


def test_what_was_meant_for_a_version_stands_beside_what_it_gets() -> None:
    flows = {
        (WEB, LINKS_1, "links"): Flow(6.0, 0.6, {10.0: 3.0, 100.0: 6.0, float("inf"): 6.0}),
        (WEB, LINKS_2, "links"): Flow(2.0),
    }
    secured = {("app/web", LINKS_1): [3.0, 4.0], ("app/other", LINKS_1): [1.0, 4.0]}
    found = by_version(Traffic(flows, secured), SPLIT)
    one, two = found[LINKS_1], found[LINKS_2]
    assert (one.declared, two.declared) == ((70.0,), (30.0,))
    assert (one.observed, two.observed) == (0.75, 0.25)
    assert one.rate == 6.0
    assert one.errors == pytest.approx(0.1)
    assert one.p50_ms == pytest.approx(10.0)
    assert (one.mutual_tls, two.mutual_tls) == (0.5, None)
    assert found[WEB].declared == () and found[WEB].errors is None


def test_requests_of_all_clients_count_together() -> None:
    flows = {(WEB, LINKS_1, "links"): Flow(1.0), ("app/other-v1", LINKS_1, "links"): Flow(2.0, 2.0)}
    assert by_version(Traffic(flows))[LINKS_1].rate == 3.0


def test_requests_that_reach_nobody_are_told_of_the_service_they_were_for() -> None:
    flows = {(WEB, "", "links.app.svc.cluster.local"): Flow(1.0, 1.0)}
    assert by_version(Traffic(flows))[LINKS_1].errors == 1.0


def test_clients_that_do_not_agree_are_both_told() -> None:
    other = Split(LINKS_1, "web", {"v1": Share(1, [WEB]), "v2": Share(1, ["app/web-v2"])})
    third = Split(LINKS_2, "web", {"v1": Share(1, [WEB]), "v2": Share(3, ["app/web-v2"])})
    pods = [pod("web-v1"), pod("web-v2"), pod("links-v1"), pod("users-v1")]
    splits = [other, Split("app/users-v1", third.service, third.to)]
    found = {one.workload: one.declared for one in standings(Topology(pods, splits), Traffic())}
    assert found[WEB] == (25.0, 50.0)


def test_the_table_fits_eighty_columns_whatever_the_names() -> None:
    long = Standing(
        "a-service-with-a-very-long-name", "a-namespace-with-a-long-name", "a-version-of-its-own", "x",
        9, 10, 12345.6, 0.123, 1234.5, 60000.0, 1.0, (33.3333, 50.0), 0.333,
    )  # fmt: skip
    console = Console(width=80, record=True, color_system=None)
    with console.capture() as captured:
        console.print(picture([long]))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    for words in ("WANT%", "GETS%", "12345.6", "12.3", "1234ms", "60s", "100", "33.3/50", "9/10"):
        assert words in captured.get()


def told(counted: Traffic) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(picture(standings(Topology(PODS), counted)))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    return " ".join(lines)


def test_a_mesh_in_which_nobody_asks_anybody_says_so() -> None:
    assert "No request was counted: only what a pod or a gateway sends is." in told(Traffic())


def test_the_table_says_whose_numbers_it_shows() -> None:
    istio, envoy = Flow(1.0, counted_by={"istio"}), Flow(1.0, counted_by={"envoy"})
    assert "Istio" not in told(Traffic({(WEB, LINKS_1, "links"): istio}))
    assert "The sidecars make none" in told(Traffic({(WEB, LINKS_1, "links"): envoy}))
    both = Traffic({("app/x", WEB, "web"): istio, (WEB, LINKS_1, "links"): envoy})
    assert "To app/links: the clients' sidecars make none" in told(both)


def test_where_numbers_come_from_is_told_for_every_version() -> None:
    flows = {
        (WEB, LINKS_1, "links"): Flow(1.0, counted_by={"envoy"}),
        ("app/other-v1", LINKS_1, "links"): Flow(1.0, counted_by={"istio"}),
    }
    found = by_version(Traffic(flows))
    assert (found[LINKS_1].counted_by, found[LINKS_2].counted_by) == (("envoy", "istio"), ())
