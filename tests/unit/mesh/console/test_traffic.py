"""Counters become rates: what Envoy writes, windows over restarts, errors, quantiles, mutual TLS."""

from __future__ import annotations

import pytest

from mesh.console.metrics.exposition import DURATIONS, REQUESTS, Key, Labels, read
from mesh.console.metrics.traffic import failed, quantile, traffic
from mesh.console.metrics.window import SPAN_S, Window

LABELS = (
    'reporter="source",source_workload="web-v1",source_workload_namespace="app",'
    'destination_workload="links-v1",destination_workload_namespace="app",'
    'destination_service="links.app.svc.cluster.local",response_flags="-",response_code="{code}"'
)
TEXT = f"""# TYPE envoy_istio_requests_total counter
envoy_istio_requests_total{{{LABELS.format(code="200")}}} 90
envoy_istio_requests_total{{{LABELS.format(code="503")}}} 10
# TYPE envoy_istio_request_duration_milliseconds histogram
envoy_istio_request_duration_milliseconds_bucket{{{LABELS.format(code="200")},le="5"}} 50
envoy_istio_request_duration_milliseconds_bucket{{{LABELS.format(code="200")},le="+Inf"}} 90
envoy_istio_request_duration_milliseconds_sum{{{LABELS.format(code="200")}}} 1234
envoy_cluster_upstream_rq{{envoy_cluster_name="x"}} 7
envoy_istio_requests_total{{{LABELS.format(code="500")}}}"""


def test_only_the_two_metrics_are_read_with_or_without_envoys_prefix() -> None:
    found = read(TEXT)
    assert sorted(found.values()) == [10, 50, 90, 90]
    assert {name for name, _ in found} == {REQUESTS, DURATIONS}
    assert read(TEXT.replace("envoy_istio", "istio")) == found


def test_labels_are_unescaped() -> None:
    assert Labels().of(r'a="one \"two\" \\ three",b="x\ny"') == {"a": 'one "two" \\ three', "b": "x\ny"}


def window(*scrapes: tuple[float, dict[Key, float]]) -> tuple[float, dict[Key, float]]:
    made = Window()
    for at, counters in scrapes:
        made.add(at, counters)
    return made.increases()


KEY = (REQUESTS, LABELS.format(code="200"))


def test_a_counter_grows_by_what_was_added() -> None:
    assert window((0, {KEY: 5.0}), (1, {KEY: 6.0}), (2, {KEY: 9.0})) == (2, {KEY: 4.0})


def test_a_counter_that_begins_again_has_grown_by_what_it_has_now() -> None:
    assert window((0, {KEY: 500.0}), (1, {KEY: 3.0})) == (1, {KEY: 3.0})


def test_who_has_not_answered_for_as_long_as_is_counted_is_not_of_now() -> None:
    made = Window()
    made.add(5, {KEY: 5.0})
    assert (made.holds(14), made.holds(15)) == (True, False)


def test_a_series_that_is_new_began_at_zero() -> None:
    assert window((0, {}), (1, {KEY: 2.0})) == (1, {KEY: 2.0})


def test_what_is_older_than_the_window_does_not_count() -> None:
    scrapes = [(float(second), {KEY: float(second)}) for second in range(40)]
    seconds, grown = window(*scrapes)
    assert seconds == SPAN_S
    assert grown == {KEY: SPAN_S}


def test_one_scrape_tells_nothing() -> None:
    assert window((0, {KEY: 5.0})) == (0.0, {})


def test_requests_become_rate_errors_and_quantile_of_a_pair() -> None:
    counted = traffic([(10.0, read(TEXT))], Labels())
    flow = counted.flows["app/web-v1", "app/links-v1", "links.app.svc.cluster.local"]
    assert flow.rate == pytest.approx(10)
    assert flow.error_share == pytest.approx(0.1)
    assert flow.quantile_ms(0.5) == pytest.approx(4.5)


def test_the_receiving_side_tells_of_mutual_tls() -> None:
    labels = (
        'reporter="destination",source_principal="spiffe://cluster.local/ns/app/sa/web",'
        'destination_workload="links-v1",destination_workload_namespace="app",connection_security_policy="{}"'
    )
    grown = {(REQUESTS, labels.format("mutual_tls")): 30.0, (REQUESTS, labels.format("none")): 10.0}
    assert traffic([(10.0, grown)], Labels()).secured == {("app/web", "app/links-v1"): [3.0, 4.0]}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"response_code": "200"}, False),
        ({"response_code": "404"}, False),
        ({"response_code": "503", "response_flags": "UF"}, True),
        ({"response_code": "0", "response_flags": "DC"}, False),
        ({"response_code": "0", "response_flags": "UC"}, True),
        ({"response_code": "200", "grpc_response_status": "14"}, True),
        ({"response_code": "200", "grpc_response_status": "5"}, False),
    ],
)
def test_errors_are_the_servers_not_the_clients(labels: dict[str, str], expected: bool) -> None:
    assert failed(labels) is expected


def test_a_quantile_is_linear_inside_its_bucket_as_in_prometheus() -> None:
    buckets = {10.0: 50.0, 100.0: 100.0, float("inf"): 100.0}
    assert quantile(buckets, 0.5) == pytest.approx(10)
    assert quantile(buckets, 0.99) == pytest.approx(98.2)
    assert quantile({10.0: 0.0, float("inf"): 5.0}, 0.99) == 10.0, "beyond the last bound nothing is known"
    assert quantile({}, 0.99) is None
