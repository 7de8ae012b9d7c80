"""What Envoy tells of endpoints and certificates, as rows."""

from __future__ import annotations

from typing import Any

from mesh.local.runtime.looking import certificate_rows, endpoint_rows


def host(address: str, **health: Any) -> dict[str, Any]:
    place = {"socket_address": {"address": address, "port_value": 8080}}
    stats = [{"name": "rq_total", "value": "7"}, {"name": "rq_error", "value": "2"}, {"name": "cx_active"}]
    return {"address": place, "stats": stats, "health_status": {"eds_health_status": "HEALTHY", **health}}


def test_endpoints_name_their_pod_and_their_health() -> None:
    status = {
        "name": "outbound|80||a",
        "host_statuses": [host("127.0.0.2"), host("127.0.0.3", failed_outlier_check=True)],
    }
    well, ejected = endpoint_rows(status, {"127.0.0.2": "shop/a-1"})
    assert (well["endpoint"], well["address"], well["health"]) == ("shop/a-1", "127.0.0.2:8080", "healthy")
    assert (well["requests"], well["errors"], well["connections"]) == (7, 2, 0)
    assert (ejected["endpoint"], ejected["health"]) == (None, "ejected by outlier detection")


def test_a_certificate_that_many_contexts_hold_is_told_once() -> None:
    def entry(serial: str, *names: dict[str, str]) -> dict[str, Any]:
        dates = {"valid_from": "2026-01-01T00:00:00Z", "expiration_time": "2026-01-02T00:00:00Z"}
        return {"serial_number": serial, "subject_alt_names": list(names), **dates}

    own = entry("0a", {"uri": "spiffe://cluster.local/ns/shop/sa/a"})
    rows = certificate_rows([{"ca_cert": [entry("0b")], "cert_chain": [own]}] * 3)
    assert [(row["kind"], row["serial"]) for row in rows] == [("own", "0a"), ("trusted", "0b")]
    assert rows[0]["names"] == ["spiffe://cluster.local/ns/shop/sa/a"]
    assert (rows[0]["notBefore"], rows[0]["notAfter"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
