"""Rollouts on Kubernetes from the command line: requests as annotations, where they stand, journals."""

from __future__ import annotations

import asyncio
import getpass
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from delinkcious.asking import Failed
from delinkcious.terminal import shown
from mesh.canary.platform import PlatformError

if TYPE_CHECKING:
    from mesh.canary.kubernetes.api import Api

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

TAKEN_BACK_WITHIN_S = 300.0
TAKEN_WITHIN_S = 30.0  # a start asks the server and Prometheus before it is one
LOOK_S = 0.5


@dataclass(frozen=True)
class Where:
    """A namespace of a cluster; None is what the kubeconfig has as its own."""

    context: str | None
    namespace: str | None


def options(*, short: bool = True) -> Callable[[Callable[P, T]], Callable[..., T]]:
    """The options that say so, as `where`: None for the local mesh."""
    names = ["-n"] if short else []

    def decorate(command: Callable[P, T]) -> Callable[..., T]:
        @click.option("--kubernetes", is_flag=True, help="On Kubernetes instead of the local mesh.")
        @click.option("--context", metavar="NAME", help="Of the kubeconfig.")
        @click.option(*names, "--namespace", help="On Kubernetes [default: the context's]")
        @wraps(command)
        def with_where(
            *args: Any, kubernetes: bool, context: str | None, namespace: str | None, **others: Any
        ) -> T:
            if not kubernetes and (context or namespace):
                raise click.UsageError("--context and --namespace are for --kubernetes")
            where = Where(context, namespace) if kubernetes else None
            return command(*args, where=where, **others)  # type: ignore[arg-type]

        return with_where

    return decorate


def run(work: Coroutine[Any, Any, T]) -> T:
    """What goes wrong becomes one sentence."""
    try:
        return asyncio.run(work)
    except PlatformError as error:
        raise Failed(shown(str(error))) from None


@asynccontextmanager
async def connected(where: Where) -> AsyncIterator[Api]:
    """The API server. Raises PlatformError."""
    try:
        from mesh.canary.kubernetes import home
        from mesh.canary.kubernetes.api import Api
    except ImportError as error:
        raise PlatformError(f"{error.name} is not installed: pip install 'delinkcious[kubernetes]'") from None
    async with home.connect(where.context) as client:
        yield Api(client, where.namespace or client.namespace)


async def objects(api: Api) -> list[Json]:
    """The Rollout objects of the namespace."""
    from mesh.canary.kubernetes import kinds

    return await api.all(kinds.ROLLOUT)


def chosen(found: list[Json], name: str) -> Json:
    """The one that is called so, or has such a service or run. Raises PlatformError."""
    for of in (_name, _service, _run):
        if meant := [body for body in found if of(body) == name]:
            return meant[0]
    there = f"there are {', '.join(map(_name, found))}" if found else "there is none"
    raise PlatformError(f"no Rollout object is of {name!r}: {there}")


async def ask(where: Where, name: str, what: str, request: Json) -> Json:
    """Leave a request in an annotation, wait until it is taken; the status then. Raises PlatformError."""
    id = secrets.token_hex(8)
    text = json.dumps({"id": id, "by": getpass.getuser(), **request})
    async with connected(where) as api:
        from mesh.canary.kubernetes import kinds

        rollout = _name(chosen(await objects(api), name))
        await api.merge(kinds.ROLLOUT, rollout, {"metadata": {"annotations": {what: text}}})
        status = await _taken(api, rollout, id)
    refused = status.get("refused") or {}
    if refused.get("id") == id:
        raise PlatformError(str(refused["why"]))
    return status


async def _taken(api: Api, rollout: str, id: str) -> Json:
    from mesh.canary.kubernetes import kinds

    for _ in range(round(TAKEN_WITHIN_S / LOOK_S)):
        status: Json = (await api.get(kinds.ROLLOUT, rollout)).get("status") or {}
        if id in (status.get("taken") or []):
            return status
        await asyncio.sleep(LOOK_S)
    raise PlatformError(
        f"the controller has not taken it within {TAKEN_WITHIN_S:g} s: does its pod run? "
        f"(kubectl -n {api.namespace} logs deployment/canary)"
    )


def start(
    where: Where,
    service: str,
    sets: tuple[str, ...],
    image: str | None,
    command: str | None,
    *,
    replace: bool = False,
) -> str:
    """The run that begins; `replace` takes one that is under way back first."""
    from mesh.canary.kubernetes import asked

    [body] = standing(where, service)
    status = body.get("status") or {}
    if replace and status.get("run") and not status.get("verdict"):
        say(where, service, "abort", "")
        click.echo(f"{service}: run {status['run']} is taken back ...")
        run(_ended(where, _name(body)))
    request = {"set": list(sets), "image": image, "command": command}
    return str(run(ask(where, service, asked.START, request))["run"])


async def _ended(where: Where, rollout: str) -> None:
    from mesh.canary.kubernetes import kinds

    async with connected(where) as api:
        for _ in range(round(TAKEN_BACK_WITHIN_S / LOOK_S)):
            if ((await api.get(kinds.ROLLOUT, rollout)).get("status") or {}).get("verdict"):
                return
            await asyncio.sleep(LOOK_S)
    raise PlatformError(f"its run has not ended within {TAKEN_BACK_WITHIN_S:g} s")


def say(where: Where, name: str, verb: str, gate: str) -> None:
    from mesh.canary.kubernetes import asked

    run(ask(where, name, asked.COMMAND, {"verb": verb, "gate": gate}))


def standing(where: Where, name: str | None) -> list[Json]:
    """The objects that are meant, with their `.status`."""

    async def look() -> list[Json]:
        async with connected(where) as api:
            found = await objects(api)
        return found if name is None else [chosen(found, name)]

    return run(look())


def told(body: Json) -> list[str]:
    """Where one stands, in lines for a person (pure)."""
    status: Json = body.get("status") or {}
    if not status.get("run"):
        lines = [f"{_service(body)}: no run yet"]
    else:
        wealth = status.get("wealth")
        evidence = "" if wealth is None else f", wealth {wealth:.3g}"
        lines = [f"{_service(body)}: run {status['run']}: {status['phase']}, {status['weight']} %{evidence}"]
        if status.get("reason"):
            lines.append(f"  because {status['reason']}")
        for arm in ("stable", "canary"):
            requests, errors = (
                int((status.get(what) or {}).get(arm) or 0) for what in ("requests", "errors")
            )
            lines.append(f"  {arm}: {requests} requests, {errors} errors")
        lines += [f"  waits for {sentence}" for sentence in status.get("waitsFor") or []]
    if refused := status.get("refused"):
        lines.append(f"  refused last: {refused['why']}")
    return lines


def _name(body: Json) -> str:
    return str(body["metadata"]["name"])


def _service(body: Json) -> str:
    return str((body.get("spec") or {}).get("service"))


def _run(body: Json) -> str:
    return str((body.get("status") or {}).get("run"))
