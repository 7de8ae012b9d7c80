"""The mesh that the golden pairs are translated for: small, with one of everything."""

from __future__ import annotations

from pathlib import Path

from mesh.local import registry as registries
from mesh.local.model import (
    Config,
    ContainerPort,
    Endpoint,
    Protocol,
    Proxy,
    Registry,
    Service,
    ServicePort,
)

FOLDER = Path("/mesh")


def _port(name: str, number: int, target: int | str, protocol: Protocol) -> ServicePort:
    return ServicePort(name, number, target, protocol)


def _endpoint(pod: str, address: str, *, ready: bool = True, sidecar: bool = True, **labels: str) -> Endpoint:
    ports = {"http": 8080, "tcp": 9000}
    namespace = "other" if labels["app"] == "far" else "default"
    return Endpoint(pod, namespace, address, labels, labels["app"], ports, sidecar, ready)


REGISTRY = Registry(
    services=(
        Service(
            "reviews",
            "default",
            (_port("http", 80, "http", "http"), _port("http-alt", 9080, 8080, "http")),
            {"app": "reviews"},
            cluster_ip="10.0.0.1",
        ),
        Service("ratings", "default", (_port("grpc", 50051, "http", "http2"),), {"app": "ratings"}),
        Service(
            "echo", "default", (_port("tcp", 9000, "tcp", "tcp"),), {"app": "echo"}, cluster_ip="10.0.0.9"
        ),
        Service(
            "vault",
            "default",
            (ServicePort("tls", 443, "tcp", "tcp", tls=True), _port("tcp", 9000, "tcp", "tcp")),
            {"app": "vault"},
        ),
        Service("far", "other", (_port("http", 80, "http", "http"),), {"app": "far"}),
        Service(
            "ingress",
            "istio-system",
            (_port("http", 80, 8080, "http"), _port("https", 443, 8443, "tcp")),
            {"istio": "ingressgateway"},
        ),
    ),
    endpoints=(
        _endpoint("reviews-v1", "127.1.0.10", app="reviews", version="v1"),
        _endpoint("reviews-v2", "127.1.0.12", app="reviews", version="v2"),
        _endpoint("reviews-v3", "127.1.0.14", app="reviews", version="v3", ready=False),
        _endpoint("ratings", "127.1.0.16", app="ratings"),
        _endpoint("echo", "127.1.0.18", app="echo"),
        _endpoint("far", "127.1.0.20", app="far", sidecar=False),
    ),
)


def known(config: Config) -> Registry:
    """The registry, with what a configuration declares besides."""
    return registries.registry([*REGISTRY.services, *registries.declared(config)], REGISTRY.endpoints, config)


def _proxy(name: str, number: int, *, ports: tuple[ContainerPort, ...] = (), **labels: str) -> Proxy:
    gateway = "istio" in labels
    address = f"127.1.0.{number}"
    return Proxy(
        kind="gateway" if gateway else "sidecar",
        name=name,
        namespace="istio-system" if gateway else "default",
        labels=labels,
        service_account=labels["app"],
        workload=labels["app"],
        ip=address,
        app_ip=address if gateway else f"127.1.0.{number + 1}",
        ports=ports,
        egress=(address, 15001),
        admin=(address, 15000),
        folder=FOLDER,
    )


PROXIES = {
    proxy.name: proxy
    for proxy in (
        _proxy("client", 2, app="client"),
        _proxy(
            "reviews",
            10,
            app="reviews",
            version="v1",
            ports=(ContainerPort("http", 8080), ContainerPort("tcp", 9000)),
        ),
        _proxy("echo", 18, app="echo", ports=(ContainerPort("tcp", 9000),)),
        _proxy(
            "gateway",
            4,
            app="ingressgateway",
            istio="ingressgateway",
            ports=(ContainerPort("http", 8080), ContainerPort("https", 8443)),
        ),
    )
}
