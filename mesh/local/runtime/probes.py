"""Probes of a container: startup, readiness and liveness, by HTTP, gRPC, TCP or a command."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from mesh.local import listening
from mesh.local.model import Json
from mesh.local.runtime import grpc_health
from mesh.local.runtime.environment import Place
from mesh.local.runtime.manifest import FieldPath, PodManifest, Refused
from mesh.local.runtime.process import Command, Process

EAGER_PERIOD_S = 0.1  # until the first success: a laptop's start should not wait for a slow period


@dataclass(frozen=True)
class Host:
    """Where the process of a pod listens: at `address`, but for the ports that `listens` has elsewhere."""

    address: str
    listens: Mapping[int, tuple[str, int]] = field(default_factory=dict)

    def of(self, port: int) -> tuple[str, int]:
        return self.listens.get(port, (self.address, port))


def host_of(pod: PodManifest, place: Place) -> Host:
    """Where a Pod's processes listen. Raises Refused."""
    if (why := listening.refusal(pod.annotations)) is not None:
        raise Refused(("metadata", "annotations", listening.LISTENS), why)
    if not pod.injected:  # then nothing stands before the process that could forward
        return Host(place.host)
    return Host(place.host, listening.listens(pod.annotations, place.host))


@dataclass(frozen=True)
class Action:
    """What a probe or a hook does; exactly one of these is set, `headers` beside `url`.

    `grpc` has host, port and the service whose health is asked for.
    """

    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    tcp: tuple[str, int] | None = None
    exec: tuple[str, ...] = ()
    grpc: tuple[str, int, str] | None = None
    sleep_s: float | None = None


@dataclass(frozen=True)
class Probe:
    """Times in seconds, defaults of Kubernetes."""

    action: Action
    initial_delay_s: float = 0
    period_s: float = 10
    timeout_s: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_s: float | None = None  # of the process that it ends, where it is not the Pod's

    @property
    def budget_s(self) -> float:
        """How long a startup probe may fail."""
        return self.initial_delay_s + self.failure_threshold * self.period_s


@dataclass(frozen=True)
class Probes:
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


def action(body: Json, host: Host, ports: Mapping[str, int], path: FieldPath) -> Action:
    """Read a handler; `ports` are the container's named ports. Raises Refused."""
    if (http := body.get("httpGet")) is not None:
        port = _port(http.get("port"), ports, (*path, "httpGet", "port"))
        scheme = (http.get("scheme") or "HTTP").lower()
        headers = tuple((str(item["name"]), str(item["value"])) for item in http.get("httpHeaders") or [])
        where = http.get("path") or "/"
        name, number = (http["host"], port) if http.get("host") else host.of(port)
        return Action(url=f"{scheme}://{name}:{number}/{where.lstrip('/')}", headers=headers)
    if (tcp := body.get("tcpSocket")) is not None:
        port = _port(tcp.get("port"), ports, (*path, "tcpSocket", "port"))
        return Action(tcp=(tcp["host"], port) if tcp.get("host") else host.of(port))
    if (command := (body.get("exec") or {}).get("command")) is not None:
        return Action(exec=tuple(str(part) for part in command))
    if (grpc := body.get("grpc")) is not None:
        return Action(grpc=(*host.of(int(grpc["port"])), grpc.get("service") or ""))
    if (sleep := body.get("sleep")) is not None:
        return Action(sleep_s=float(sleep["seconds"]))
    raise Refused(path, "a handler without an action is not supported by the local mesh")


def probes(container: Json, host: Host, path: FieldPath) -> Probes:
    """The three probes of a container. Raises Refused."""
    ports = {
        port["name"]: int(port["containerPort"]) for port in container.get("ports") or [] if "name" in port
    }

    def read(word: str) -> Probe | None:
        body = container.get(word)
        if body is None:
            return None
        return Probe(
            action(body, host, ports, (*path, word)),
            initial_delay_s=float(body.get("initialDelaySeconds") or 0),
            period_s=float(body.get("periodSeconds") or 10),
            timeout_s=float(body.get("timeoutSeconds") or 1),
            success_threshold=int(body.get("successThreshold") or 1),
            failure_threshold=int(body.get("failureThreshold") or 3),
            grace_s=body.get("terminationGracePeriodSeconds"),
        )

    startup = read("startupProbe")
    readiness = read("readinessProbe")
    if startup is None and readiness is None and ports_of(container):
        # Kubernetes would call it ready at once and send requests that nothing answers yet.
        reached = Action(tcp=host.of(ports_of(container)[0]))
        startup = Probe(reached, period_s=1, failure_threshold=2**31)
    return Probes(startup, readiness, read("livenessProbe"))


def ports_of(container: Json) -> list[int]:
    return [
        int(port["containerPort"])
        for port in container.get("ports") or []
        if (port.get("protocol") or "TCP") == "TCP"
    ]


async def attempt(
    session: aiohttp.ClientSession, wanted: Action, timeout_s: float, command: Command
) -> str | None:
    """Do it once; None when it succeeded, else why not. `command` lends environment, folder and log."""
    try:
        async with asyncio.timeout(timeout_s):
            if wanted.url:
                return await _get(session, wanted)
            if wanted.tcp is not None:
                return await _connect(*wanted.tcp)
            if wanted.grpc is not None:
                return await grpc_health.serving(*wanted.grpc)
            if wanted.sleep_s is not None:
                await asyncio.sleep(wanted.sleep_s)
                return None
            return await _execute(wanted, command)
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:  # also a name or a header that is none
        return str(error) or repr(error)


async def _get(session: aiohttp.ClientSession, wanted: Action) -> str | None:
    unverified: bool | ssl.SSLContext = False  # as the kubelet: it asks whether, not who
    async with session.get(
        wanted.url, headers=dict(wanted.headers), ssl=unverified, allow_redirects=False
    ) as answer:
        if 200 <= answer.status < 400:
            return None
        return f"{wanted.url} answers {answer.status}"


async def _connect(host: str, port: int) -> str | None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


async def _execute(wanted: Action, command: Command) -> str | None:
    state, log = command.state, command.log.with_suffix(".probe.log")
    log.unlink(missing_ok=True)
    process = await Process.start(Command(wanted.exec, command.env, command.cwd, log, state))
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await process.stop(0)
        raise
    return None if code == 0 else f"{wanted.exec[0]} exits with {code}"


def _port(value: object, ports: Mapping[str, int], path: FieldPath) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value in ports:
        return ports[value]
    raise Refused(path, f"no port of the container is called {value}")
