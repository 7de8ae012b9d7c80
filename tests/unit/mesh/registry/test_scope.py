"""What one client sees of the registry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.local import registry as registries
from mesh.local.envoy.egress_hosts import EgressHosts
from mesh.local.envoy.view import View
from mesh.local.model import Config
from mesh.local.resources import parse
from tests.unit.mesh.translate.world import PROXIES


def _view(text: str, namespace: str = "shop", **labels: str) -> View:
    config = Config(parse(text, "scope.yaml"))
    proxy = replace(PROXIES["client"], namespace=namespace, labels=labels)
    return View(proxy, config, registries.registry(registries.declared(config), [], config), {})


def _entry(name: str, namespace: str, spec: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {spec}
"""


def _sidecar(name: str, namespace: str, spec: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{ name: {name}, namespace: {namespace} }}
spec: {spec}
"""


def _hosts(view: View) -> list[str]:
    return [service.hostname for service in view.scope.services]


@pytest.mark.parametrize(
    ("exported", "namespaces"),
    [
        ("['*']", "shop other third"),
        ("[.]", "shop"),
        ("[other]", "other"),
        ("['~']", ""),
        ("[., third]", "shop third"),
    ],
)
def test_a_service_is_seen_where_it_is_exported_to(exported: str, namespaces: str) -> None:
    text = _entry("a", "shop", f"{{ hosts: [a.example.com], exportTo: {exported} }}")
    seen = [space for space in ("shop", "other", "third") if _hosts(_view(text, space))]
    assert seen == namespaces.split()


def test_the_meshs_default_speaks_where_an_export_says_nothing() -> None:
    mesh = """
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "defaultServiceExportTo: [.]" }
"""
    text = mesh + _entry("a", "shop", "{ hosts: [a.example.com] }")
    assert _hosts(_view(text)) == ["a.example.com"]
    assert _hosts(_view(text, "other")) == []


def test_of_one_host_a_client_sees_its_own_namespaces_then_kubernetes_then_the_first() -> None:
    service = """
---
apiVersion: v1
kind: Service
metadata: { name: a, namespace: shop }
spec: { ports: [{ port: 80 }] }
"""
    entries = "".join(
        _entry(name, namespace, "{ hosts: [a.shop.svc.cluster.local] }")
        for name, namespace in (("b", "other"), ("a", "third"))
    )
    seen = [_view(service + entries, space).scope.services[0].resource for space in ("shop", "other", "else")]
    assert seen == [("Service", "shop", "a"), ("ServiceEntry", "other", "b"), ("Service", "shop", "a")]
    assert _view(entries, "else").scope.services[0].resource == ("ServiceEntry", "third", "a")


def test_a_sidecar_is_chosen_by_labels_then_namespace_then_root() -> None:
    hosts = _entry("a", "shop", "{ hosts: [a.example.com, b.example.com, c.example.com] }")
    text = (
        hosts
        + _sidecar("all", "istio-system", "{ egress: [{ hosts: ['*/a.example.com'] }] }")
        + _sidecar("shop", "shop", "{ egress: [{ hosts: ['./b.example.com'] }] }")
        + _sidecar(
            "web",
            "shop",
            "{ workloadSelector: { labels: { app: web } }, egress: [{ hosts: ['./c.example.com'] }] }",
        )
    )
    assert _hosts(_view(text, app="web")) == ["c.example.com"]
    assert _hosts(_view(text, app="api")) == ["b.example.com"]
    assert _hosts(_view(text, "other", app="web")) == ["a.example.com"]


def test_a_sidecar_without_egress_asks_for_everything() -> None:
    text = _entry("a", "other", "{ hosts: [a.example.com] }")
    view = _view(text + _sidecar("s", "shop", "{ outboundTrafficPolicy: { mode: REGISTRY_ONLY } }"))
    assert (_hosts(view), view.registry_only) == (["a.example.com"], True)


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ("./*", "shop/a.example.com shop/*.example.com"),
        ("*/*", "shop/a.example.com shop/*.example.com other/a.example.com"),
        ("*/a.example.com", "shop/a.example.com other/a.example.com"),
        ("other/*.example.com", "other/a.example.com"),
        ("*/* ~other/*", "shop/a.example.com shop/*.example.com"),
        ("*/* ~/a.example.com", "shop/*.example.com"),
        ("./*.b.example.com", ""),
        ("~/*", ""),
    ],
)
def test_patterns_take_services(patterns: str, taken: str) -> None:
    hosts = EgressHosts(patterns.split(), "shop")
    services = ("shop/a.example.com", "shop/*.example.com", "other/a.example.com")
    assert [one for one in services if hosts.takes_service(*one.split("/"))] == taken.split()


def test_a_rules_wildcard_may_be_wider_than_what_is_asked_for() -> None:
    hosts = EgressHosts(["./*.a.example.com"], "shop")
    assert hosts.takes_rule("shop", ["*.example.com"])
    assert hosts.takes_rule("shop", ["x.a.example.com"])
    assert not hosts.takes_rule("shop", ["x.example.com"])
    assert not hosts.takes_rule("other", ["*.example.com"])
