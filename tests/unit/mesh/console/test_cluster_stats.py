"""What Envoy counts by itself becomes the same rates, by the workloads that its endpoints belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from mesh.console.metrics.cluster_stats import Reading, count, read
from mesh.console.metrics.traffic import Flow, Traffic
from mesh.console.metrics.window import Window

V1, V2, ANY = (f"outbound|80|{subset}|links.app.svc.cluster.local" for subset in ("v1", "v2", ""))
WEB, LINKS_1, LINKS_2 = "app/web-v1", "app/links-v1", "app/links-v2"
WORKLOADS = {"127.20.0.4": LINKS_1, "127.20.0.5": LINKS_2, "127.20.0.6": LINKS_1}
PAIR = (WEB, LINKS_1, "links.app.svc.cluster.local")

# Of one address each: what was right, and what was not.
Hosts = Mapping[str, tuple[int, int]]


def clusters(**hosts: Hosts) -> bytes:
    """As Envoy's admin tells them, by subset; zeros are left out, long numbers are text."""

    def status(address: str, right: int, wrong: int) -> dict[str, object]:
        stats = [{"name": "rq_success", "value": str(right)}, {"name": "rq_error", "value": str(wrong)}]
        shown = [{name: value for name, value in stat.items() if value != "0"} for stat in stats]
        place = {"socket_address": {"address": address, "port_value": 9080}}
        return {"address": place, "stats": [*shown, {"type": "GAUGE", "name": "rq_active"}]}

    rows = [
        {
            "name": (name := f"outbound|80|{subset.strip('_')}|links.app.svc.cluster.local"),
            "observability_name": f"{name};",
            "host_statuses": [status(address, *counted) for address, counted in those.items()],
        }
        for subset, those in hosts.items()
    ]
    other = {"name": "inbound|80||", "host_statuses": [{"address": {"pipe": {"path": "/x"}}}]}
    return json.dumps({"cluster_statuses": [*rows, other]}).encode()


def counted(*readings: Reading, every_s: float = 10.0) -> Traffic:
    window = Window()
    for number, reading in enumerate(readings):
        window.add(number * every_s, reading.counters)
    found = Traffic()
    count(found, WEB, *window.increases(), readings[-1], WORKLOADS)
    return found


def test_answers_and_durations_of_a_subset_are_those_of_its_workload() -> None:
    hosts = clusters(v1={"127.20.0.4": (90, 10), "127.20.0.6": (0, 0)})
    text = (
        f"cluster.{V1};.upstream_rq_2xx: 90\n"
        f"cluster.{V1};.external.upstream_rq_2xx: 90\n"
        f"cluster.{V1};.upstream_rq_5xx: 10\n"
        "cluster.inbound|80||.upstream_rq_2xx: 7\n"
        f"cluster.{V1};.upstream_rq_time: B0.5(0,0) B5(3,50) B1.8e+06(6,100)\n"
        f"cluster.{V2};.upstream_rq_time: No recorded values\n"
    )
    [(pair, flow)] = counted(read("", hosts), read(text, hosts)).flows.items()
    assert pair == PAIR
    assert flow == Flow(10.0, 1.0, {5.0: 5.0, 1.8e6: 10.0}, {"envoy"})
    assert flow.quantile_ms(0.5) == pytest.approx(5.0)


def test_of_a_cluster_with_several_workloads_the_endpoints_tell() -> None:
    before = read("", clusters(_={"127.20.0.4": (5, 0), "127.20.0.5": (5, 0), "127.20.0.6": (0, 0)}))
    text = f"cluster.{ANY};.upstream_rq_2xx: 60\ncluster.{ANY};.upstream_rq_time: B5(0,60) B10(0,60)\n"
    after = read(text, clusters(_={"127.20.0.4": (25, 0), "127.20.0.5": (15, 10), "127.20.0.6": (20, 0)}))
    flows = counted(before, after).flows
    assert {workload: (flow.rate, flow.errors) for (_, workload, _), flow in flows.items()} == {
        LINKS_1: (4.0, 0.0),
        LINKS_2: (2.0, 1.0),
    }
    assert all(flow.quantile_ms(0.99) is None for flow in flows.values())


def test_a_second_version_that_appears_is_no_burst_of_the_first() -> None:
    one = clusters(_={"127.20.0.4": (10_000, 0)})
    two = clusters(_={"127.20.0.4": (10_010, 0), "127.20.0.5": (10, 0)})
    text = "cluster.{};.upstream_rq_2xx: {}\n"
    flows = counted(read(text.format(ANY, 10_000), one), read(text.format(ANY, 10_020), two)).flows
    assert {workload: flow.rate for (_, workload, _), flow in flows.items()} == {LINKS_1: 1.0, LINKS_2: 1.0}


def test_a_sidecar_that_begins_again_counts_from_zero() -> None:
    hosts = clusters(v1={"127.20.0.4": (0, 0)})
    before = read(f"cluster.{V1};.upstream_rq_2xx: 500\nhttp.inbound_x;.downstream_cx_total: 9\n", hosts)
    after = read(
        f"cluster.{V1};.upstream_rq_2xx: 20\n"
        "http.inbound_x;.downstream_cx_total: 1\nhttp.inbound_x;.downstream_cx_active: 1\n",
        hosts,
    )
    found = counted(before, after)
    assert found.flows[PAIR].rate == 2.0
    assert found.secured == {("", WEB): [0.0, 1.0]}


def test_answers_of_the_proxy_itself_belong_to_the_service_that_has_no_pod() -> None:
    text = f"cluster.{V1};.upstream_rq_5xx: 10\n"
    nobody = clusters(v1={})
    [(pair, flow)] = counted(read("", nobody), read(text, nobody)).flows.items()
    assert pair == (WEB, "", "links.app.svc.cluster.local")
    assert flow.error_share == 1.0


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        (("upstream_rq_2xx: 10", "grpc.0: 6", "grpc.5: 1", "grpc.14: 3"), 0.3),
        (("upstream_rq_2xx: 8", "upstream_rq_5xx: 2", "grpc.14: 2", "grpc.0: 8"), 0.2),
        (("upstream_rq_2xx: 6", "upstream_rq_4xx: 4"), 0.0),
    ],
)
def test_errors_are_those_of_the_server_and_of_the_way(lines: Sequence[str], errors: float) -> None:
    hosts = clusters(v1={"127.20.0.4": (0, 0)})
    text = "".join(f"cluster.{V1};.{line}\n" for line in lines)
    assert counted(read("", hosts), read(text, hosts)).flows[PAIR].error_share == pytest.approx(errors)


def test_connections_that_are_open_or_were_a_moment_ago_tell_of_mutual_tls() -> None:
    text = "http.inbound_127.20.0.3_9080;.downstream_cx_{}: {}\n"

    def reading(total: int, active: int, by_tls: int, active_by_tls: int) -> Reading:
        names = {"total": total, "active": active, "ssl_total": by_tls, "ssl_active": active_by_tls}
        lines = "".join(text.format(name, value) for name, value in names.items())
        return read(lines + "http.outbound_x.downstream_cx_total: 99\n", clusters())

    # Three stay open, two of them by TLS; one in plain text came and went; one is long gone.
    found = counted(reading(4, 3, 2, 2), reading(5, 3, 2, 2))
    assert found.secured == {("", WEB): [2.0, 4.0]}
    assert counted(reading(1, 0, 1, 0), reading(1, 0, 1, 0)).secured == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"cluster_statuses": [{}]}'])
def test_what_is_no_answer_of_an_envoy_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read("", body)
