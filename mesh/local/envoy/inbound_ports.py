"""The ports at which a sidecar takes requests for its pod, and what each of them is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mesh.local.envoy.destination_rule import inbound_policy
from mesh.local.envoy.view import View, selects
from mesh.local.model import Json, Protocol, Service, ServicePort
from mesh.local.registry.protocols import protocol


@dataclass(frozen=True)
class InboundPort:
    """A port of the pod's address; the process listens at `target`. `served` is the service that leads here.

    `pool` is the connection pool that limits what comes in, `retry_budget` what is tried again.
    """

    number: int
    target: int
    protocol: Protocol
    served: tuple[Service, ServicePort] | None
    pool: Json
    retry_budget: Json | None = None

    @property
    def service(self) -> Service | None:
        return self.served[0] if self.served else None


def inbound_ports(view: View) -> list[InboundPort]:
    """The container ports; where a Sidecar has `ingress`, its ports, and the others as plain bytes."""
    sidecar = view.scope.sidecar
    written = (sidecar.spec.get("ingress") if sidecar else None) or []
    ports = [_of_sidecar(view, listener) for listener in written]
    known = {port.number for port in ports}
    others = (port.number for port in view.proxy.ports if port.number not in known)
    return [*ports, *(_of_container(view, number, declared=not written) for number in others)]


def inbound_port(view: View, number: int) -> InboundPort | None:
    return next((port for port in inbound_ports(view) if port.number == number), None)


def _of_container(view: View, number: int, *, declared: bool) -> InboundPort:
    """A port that a Sidecar's `ingress` leaves out is passed through, whatever it speaks."""
    served = served_by(view, number) if declared else None
    rule = inbound_policy(view, served[0], served[1].number) if served else {}
    pool = _common_pool(view)
    if pool is None:
        pool = rule.get("connectionPool") or {}
    speaks = served[1].protocol if served else "tcp"
    return InboundPort(number, number, speaks, served, pool, rule.get("retryBudget"))


def _of_sidecar(view: View, listener: Json) -> InboundPort:
    number = int(listener["port"]["number"])
    target = str(listener.get("defaultEndpoint") or "").rpartition(":")[2]
    served = served_by(view, number)
    rule = inbound_policy(view, served[0], served[1].number) if served else {}
    pool = listener.get("connectionPool") or _common_pool(view)
    if pool is None:
        pool = rule.get("connectionPool") or {}
    speaks = protocol(listener["port"].get("protocol") or "")
    return InboundPort(number, int(target or number), speaks, served, pool, rule.get("retryBudget"))


def _common_pool(view: View) -> Json | None:
    sidecar = view.scope.sidecar
    return sidecar.spec.get("inboundConnectionPool") if sidecar else None


def served_by(view: View, number: int) -> tuple[Service, ServicePort] | None:
    """The first service, by name, that leads to the container port; it decides the protocol."""
    by_name = {port.name: port.number for port in view.proxy.ports}
    for service in _of_namespace(view):
        if selects(service.selector, view.proxy.labels):
            for port in service.ports:
                target = port.target_port
                if (target if isinstance(target, int) else by_name.get(target)) == number:
                    return service, port
    return None


def _of_namespace(view: View) -> Iterator[Service]:
    """The services of the pod's namespace that select pods, by name."""
    remembered = view.registry.remembered
    if "selecting" not in remembered:
        found: dict[str, list[Service]] = {}
        for service in sorted(view.registry.services, key=lambda s: s.name):
            if service.selector:
                found.setdefault(service.namespace, []).append(service)
        remembered["selecting"] = found
    yield from remembered["selecting"].get(view.proxy.namespace, ())
