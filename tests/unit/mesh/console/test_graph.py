"""Who is in the picture: versions, pods that are down, weights, calls and how they are secured."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from mesh.console.metrics.traffic import Flow, Traffic
from mesh.console.topology import drawing
from mesh.console.topology.graph import Graph, graph
from mesh.console.topology.state import Pod, Share, Split, Topology

WEB, LINKS_1, LINKS_2 = "app/web-v1", "app/links-v1", "app/links-v2"


def pod(workload: str, number: int = 0, **changed: object) -> Pod:
    app, _, version = workload.rpartition("-")
    made = Pod(
        name=f"{workload}-{number}",
        namespace="app",
        workload=workload,
        app=app,
        version=version,
        account=f"app/{app}",
        gateway=False,
        mtls="STRICT",
        ip="127.0.0.1",
        admin="127.0.0.1:1",
        metrics=True,
        ready=True,
        phase="Running",
        restarts=0,
    )
    return msgspec.structs.replace(made, **changed)


PODS = [pod("web-v1"), pod("links-v1"), pod("links-v2")]
SPLIT = Split(WEB, "links", {"v1": Share(7, [LINKS_1]), "v2": Share(3, [LINKS_2])})


def edges(made: Graph) -> dict[str, tuple[float | None, str]]:
    return {edge.workload: (edge.weight, edge.security) for edge in made.edges}


def test_what_policies_allow_is_drawn_without_traffic_and_with_weights() -> None:
    made = graph(Topology(PODS, [SPLIT], [(WEB, LINKS_1), (WEB, LINKS_2)]), Traffic())
    assert [service.title for service in made.services] == ["links", "web"]
    assert edges(made) == {LINKS_1: (70.0, "unknown"), LINKS_2: (30.0, "unknown")}


def test_a_version_without_weight_gets_nothing_and_the_other_all() -> None:
    alone = Split(WEB, "links", {"v1": Share(100, [LINKS_1])})
    made = graph(Topology(PODS, [alone], [(WEB, LINKS_1), (WEB, LINKS_2)]), Traffic())
    assert {edge.workload: edge.weight for edge in made.edges} == {LINKS_1: 100.0, LINKS_2: 0.0}


def test_a_split_alone_draws_no_call() -> None:
    assert graph(Topology(PODS, [SPLIT]), Traffic()).edges == ()


def test_traffic_and_what_was_seen_before_are_drawn() -> None:
    counted = Traffic({(WEB, LINKS_1, ""): Flow(5.0)}, {("app/web", LINKS_1): [5.0, 5.0]})
    made = graph(Topology(PODS), counted, seen={("app/web", LINKS_2), ("app/gone", LINKS_1)})
    assert edges(made) == {LINKS_1: (None, "mutual TLS"), LINKS_2: (None, "unknown")}


def test_requests_that_reached_no_pod_belong_to_their_service() -> None:
    lost = Traffic({(WEB, "", "links.app.svc.cluster.local"): Flow(5.0, errors=5.0)})
    [edge] = graph(Topology(PODS), lost).edges
    assert (edge.workload, edge.flow.error_share) == (LINKS_1, 1.0)
    assert drawing.tone(edge) == "bad"


@pytest.mark.parametrize(("safe", "security"), [(0.0, "plain text"), (2.0, "partly mutual TLS")])
def test_plain_text_is_told(safe: float, security: str) -> None:
    counted = Traffic({(WEB, LINKS_1, ""): Flow(5.0)}, {("app/web", LINKS_1): [safe, 5.0]})
    assert edges(graph(Topology(PODS), counted))[LINKS_1] == (None, security)


def test_a_pod_that_should_serve_and_does_not_is_down() -> None:
    pods = [
        pod("links-v1", 0),
        pod("links-v1", 1, ready=False, restarts=2),
        pod("links-v1", 2, ready=False, phase="Terminating"),
        pod("links-v1", 3),
    ]
    [service] = graph(Topology(pods), Traffic(), fresh={"app/links-v1-3"}).services
    [version] = service.versions
    assert (version.ready, version.total, version.down, version.restarts) == (2, 3, 2, 2)
    assert version.missing == {"links-v1-1", "links-v1-3"}


def test_both_sheets_have_every_service_and_the_wide_one_every_call() -> None:
    made = graph(Topology(PODS, [SPLIT], [(WEB, LINKS_1), (WEB, LINKS_2)]), Traffic())
    wide, tall = drawing.wide(made), drawing.tall(made)
    assert set(wide.drawing.boxes) == set(tall.drawing.boxes) == {"app/links", "app/web"}
    assert [arrow.weight for arrow in wide.arrows] == ["70 %", "30 %"]
    assert len(tall.arrows) == 1


def test_an_arrow_is_thicker_the_more_it_carries() -> None:
    made = graph(Topology(PODS), Traffic({(WEB, LINKS_1, ""): Flow(5.0)}))
    [arrow] = drawing.wide(made).arrows
    busy = replace(arrow, edge=replace(arrow.edge, flow=Flow(500.0)))
    assert busy.width > arrow.width


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0/s"), (0.02, "<0.1/s"), (3.21, "3.2/s"), (42, "42/s"), (1234, "1.2k/s")]
)
def test_rates_are_short(value: float, text: str) -> None:
    assert drawing.rate(value) == text


def test_the_worst_call_is_the_one_of_which_most_fails() -> None:
    flows = {
        (WEB, LINKS_1, ""): Flow(50.0, errors=5.0),
        (WEB, LINKS_2, ""): Flow(5.0, errors=3.0),
    }
    worst = drawing.worst(graph(Topology(PODS), Traffic(flows)))
    assert worst is not None and worst.workload == LINKS_2
    assert drawing.worst(graph(Topology(PODS), Traffic({(WEB, LINKS_1, ""): Flow(50.0)}))) is None
