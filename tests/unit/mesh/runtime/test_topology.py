"""What a route for a few is worth in a picture of what everybody gets."""

from __future__ import annotations

from mesh.local.runtime.topology import Clusters, divided

HOST = "reviews.default.svc.cluster.local"
V1, V2 = (f"outbound|80|{subset}|{HOST}" for subset in ("v1", "v2"))
FOR_ADA: Clusters = [(V2, 100)]
FOR_ALL: Clusters = [(V1, 100)]
SPLIT: Clusters = [(V1, 90), (V2, 10)]
OTHER: Clusters = [(V1, 50), (V2, 50)]


def test_the_first_route_that_divides_requests_is_the_one() -> None:
    assert divided([FOR_ADA, SPLIT, OTHER, FOR_ALL]) == {HOST: SPLIT}


def test_where_none_divides_them_the_route_for_everybody_is() -> None:
    assert divided([FOR_ADA, FOR_ALL]) == {HOST: FOR_ALL}
