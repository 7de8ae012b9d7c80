"""Makes the processes of a Pod: what each container and the sidecar is, by manifest and place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aiohttp

from mesh.local.envoy.proxy_config import concurrency
from mesh.local.inside import ADMIN_PORT, EGRESS_PORT
from mesh.local.model import Config, Json, Proxy
from mesh.local.runtime import environment, leftovers, volumes
from mesh.local.runtime.ca import Authority
from mesh.local.runtime.container import Container, Definition, Locate, Report
from mesh.local.runtime.control_plane import ControlPlane
from mesh.local.runtime.environment import Place
from mesh.local.runtime.leftovers import Ended, Leftovers
from mesh.local.runtime.manifest import PROXY_CONTAINER, FieldPath, PodManifest
from mesh.local.runtime.nursery import Nursery
from mesh.local.runtime.probes import Action, action, attempt, host_of, ports_of, probes
from mesh.local.runtime.process import Command
from mesh.local.runtime.sidecar import Sidecar


@dataclass(frozen=True)
class Surroundings:
    """What every Pod of a mesh shares. `config` gives the resources of this moment.

    `claims` has a folder for each namespace with what outlives Pods; `driven` has the folders of the mesh's
    own volume drivers; `locate` finds a program by its name; `nursery` forks the Python processes that ask
    for it; `leftovers` ends what its containers leave behind; `drain_s` is as in `Proxy`.
    """

    state: Path
    pods: Path
    claims: Path
    folder: Path
    inherited: Mapping[str, str]
    session: aiohttp.ClientSession
    plane: ControlPlane
    authority: Authority
    config: Callable[[], Config]
    report: Report
    driven: Mapping[str, Path]
    locate: Locate
    nursery: Nursery
    leftovers: Leftovers
    drain_s: int


class Making:
    """Makes what a Pod's manifest asks for; `folder` is the Pod's."""

    def __init__(
        self,
        manifest: PodManifest,
        place: Place,
        around: Surroundings,
        folder: Path,
        changed: Callable[[], None],
    ) -> None:
        self._manifest, self._place, self._around = manifest, place, around
        self._folder, self._changed = folder, changed

    def log(self, container: str) -> Path:
        return self._folder / "logs" / f"{container}.log"

    def container(self, word: str, index: int, policy: str) -> Container:
        """One of `containers` or `initContainers`. Raises Refused."""
        manifest, around, place = self._manifest, self._around, self._place
        path: FieldPath = ("spec", word, index)
        body = manifest.spec[word][index]
        mark = leftovers.new_mark(f"{manifest.key}/{body['name']}")
        command, mounted = self._command(word, index, mark)

        async def carry_out(wanted: Action, timeout_s: float) -> str | None:
            real = tuple(volumes.translate(part, mounted) for part in wanted.exec)
            return await attempt(around.session, replace(wanted, exec=real), timeout_s, command)

        ports = {port.name: port.number for port in manifest.ports}
        host = host_of(manifest, place)
        lifecycle = body.get("lifecycle") or {}

        def hook(name: str) -> Action | None:
            written: Json | None = lifecycle.get(name)
            return action(written, host, ports, (*path, "lifecycle", name)) if written else None

        definition = Definition(
            body["name"],
            command,
            probes(body, host, path),
            policy,  # type: ignore[arg-type]
            carry_out,
            grace_s=manifest.grace_s,
            pre_stop=hook("preStop"),
            post_start=hook("postStart"),
            expected=tuple(host.of(number) for number in ports_of(body)),
            locate=around.locate if manifest.optional else None,
            start=partial(around.nursery.start, preload=manifest.preload),
            clear=lambda pid: around.leftovers.end(Ended(mark, pid)),
        )
        return Container(definition, self._changed, self._report)

    def _command(self, word: str, index: int, mark: str) -> tuple[Command, Mapping[str, str]]:
        """What to run, and where its mount paths really are."""
        manifest, around = self._manifest, self._around
        path: FieldPath = ("spec", word, index)
        body = manifest.spec[word][index]
        variables = environment.environment(manifest, body, path, self._place, around.config())
        mounted = volumes.mounts(manifest, body, path, self._folder / "volumes", variables)
        volumes.make_parts(mounted.values(), self._folder / "volumes")
        argv = environment.argv(manifest.argv(index, word), variables, mounted)
        sidecar = manifest.injected or manifest.gateway
        inherited = without_proxies(around.inherited) if sidecar else around.inherited
        # The mark is the first: /proc may show only the beginning of a large environment.
        env = {leftovers.MARK: "", **inherited, **environment.real(variables, mounted), leftovers.MARK: mark}
        # The mesh's own folder may lie where a volume is mounted, as below /tmp: only what is written moves.
        written = body.get("workingDir")
        cwd = around.folder / (volumes.translate(written, mounted) if written else "")
        return Command(argv, env, cwd, self.log(body["name"]), around.state), mounted

    def sidecar(self) -> Sidecar:
        """The Envoy of the Pod; a gateway's is its only process."""
        manifest, around = self._manifest, self._around
        pair = self._place.addresses
        proxy = Proxy(
            kind="gateway" if manifest.gateway else "sidecar",
            name=manifest.name,
            namespace=manifest.namespace,
            labels=manifest.labels,
            service_account=manifest.service_account,
            workload=manifest.workload,
            ip=pair.pod,
            app_ip=pair.pod if manifest.gateway else pair.app,
            ports=manifest.ports,
            egress=(pair.pod, EGRESS_PORT),
            admin=(pair.pod, ADMIN_PORT),
            folder=self._folder / "proxy",
            annotations=manifest.annotations,
            drain_s=around.drain_s,
        )
        log = self.log(PROXY_CONTAINER)
        env = environment.of_proxy(manifest)
        threads = concurrency(around.config(), manifest.namespace, manifest.labels)
        return Sidecar(
            proxy,
            around.plane,
            around.authority,
            around.session,
            around.state,
            log,
            env,
            self._changed,
            self._report,
            threads,
        )

    def _report(self, text: str) -> None:
        self._around.report(f"pod {self._manifest.key}: {text}")


def without_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without the machine's own proxy settings, which the sidecar's replace."""
    return {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
