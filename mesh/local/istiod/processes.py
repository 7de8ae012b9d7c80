"""The processes of istiod's control plane: etcd and an API server that begin anew each time, and istiod."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import yaml

from mesh.local.istiod import kinds
from mesh.local.istiod.api import Api
from mesh.local.kubernetes.plane import ETCD, MESH, SERVER, Plane
from mesh.local.model import ROOT_NAMESPACE, Json
from mesh.local.runtime import settings
from mesh.local.runtime.ca import Authority
from mesh.local.runtime.companion import ProcessSpec, Room
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.state import State

ISTIOD = "istiod"
PROGRAM = "pilot-discovery"
XDS_PORT, WEBHOOK_PORT, HTTP_PORT, MONITORING_PORT, PLAIN_PORT = 15012, 15017, 15080, 15014, 15010
WAITS_S = 120.0
GRACE_S = 3.0
READY_WITHIN_S = 180.0  # on a busy machine; usually three
SERVED_WITHIN_S = 60.0
POLL_S = 0.05
# Istio's default is 100 ms; one person's edits are not a thousand clusters'. Who says another time is heard.
DEBOUNCE = {"PILOT_DEBOUNCE_AFTER": "10ms", "PILOT_DEBOUNCE_MAX": "100ms"}
# What upstream Envoy does not have, and what nobody needs on one machine.
SWITCHES = {
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "PILOT_ENABLE_AMBIENT": "false",
    "PILOT_ENABLE_QUIC_LISTENERS": "false",
    "PILOT_ENABLE_PERSISTENT_SESSION_FILTER": "false",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "POD_NAMESPACE": ROOT_NAMESPACE,
    "POD_NAME": ISTIOD,
}
WEBHOOK = "delinkcious-istiod"


class Processes:
    """They run below `folder`, of the `programs` by name; `definitions` are files of Istio's kinds."""

    def __init__(
        self, state: State, folder: Path, programs: Mapping[str, str], definitions: Sequence[Path]
    ) -> None:
        self._state, self._programs, self._definitions = state, programs, definitions
        self.plane = Plane(folder, programs)
        self.address = ""  # where istiod serves, once it is prepared
        self._known = threading.Event()  # its address
        self._defined = threading.Event()  # Istio's kinds
        self._broken = ""

    @property
    def account(self) -> Path:
        """The kubeconfig by which the mesh and istiod ask the API server."""
        return self.plane.account(MESH)

    @property
    def http(self) -> str:
        return f"http://{self.address}:{HTTP_PORT}"

    @property
    def specs(self) -> Sequence[ProcessSpec]:
        store, server = (spec for spec in self.plane.specs if spec.name in (ETCD, SERVER))
        istiod = ProcessSpec(
            ISTIOD,
            command=self._command,
            ready=self._answers,
            prepare=self._prepare,
            env={**DEBOUNCE, **settings.said(DEBOUNCE), **SWITCHES},
            grace_s=GRACE_S,
            ready_within_s=READY_WITHIN_S,
        )
        return [replace(store, prepare=_anew(store)), replace(server, started=self._define), istiod]

    def _prepare(self, room: Room) -> None:
        self.address = room.address
        self.plane.authority.issue(ISTIOD, room.address)
        Authority(self._state)  # istiod knows the proxies by certificates of this root
        self._known.set()
        if not self._defined.wait(WAITS_S):
            raise MeshError(f"kube-apiserver knows no kinds of Istio within {WAITS_S:g} s")
        if self._broken:
            raise MeshError(self._broken)

    def _command(self, room: Room) -> Sequence[str]:
        authority = self.plane.authority
        return (
            self._programs[PROGRAM],
            "discovery",
            f"--kubeconfig={self.account}",
            f"--namespace={ROOT_NAMESPACE}",
            "--domain=cluster.local",
            "--clusterID=Kubernetes",
            f"--grpcAddr={room.address}:{PLAIN_PORT}",
            f"--secureGRPCAddr={room.address}:{XDS_PORT}",
            f"--httpsAddr={room.address}:{WEBHOOK_PORT}",
            f"--httpAddr={room.address}:{HTTP_PORT}",
            f"--monitoringAddr={room.address}:{MONITORING_PORT}",
            f"--ctrlz_address={room.address}",
            f"--tlsCertFile={authority.certificate(ISTIOD)}",
            f"--tlsKeyFile={authority.key(ISTIOD)}",
            f"--caCertFile={self._state.ca / 'root.pem'}",
            "--shutdownDuration=1s",
        )

    async def _answers(self, room: Room) -> bool:
        """Whether it is ready, and judges too: its certificate comes a moment after its port."""
        timeout = aiohttp.ClientTimeout(total=5)
        trusted = ssl.create_default_context(cafile=self.plane.authority.ca)
        judge = f"https://{room.address}:{WEBHOOK_PORT}/"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://{room.address}:{HTTP_PORT}/ready") as answer,
                session.get(judge, ssl=trusted),
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _define(self, _: Room) -> None:
        """Make Istio's kinds known, and who judges objects of them, before istiod starts."""
        try:
            await asyncio.to_thread(self._known.wait, WAITS_S)
            api = Api(self.account)
            try:
                await self._put_definitions(api)
                await api.put(self._webhook())
            finally:
                await api.close()
        except MeshError as error:
            self._broken = str(error)
            raise
        finally:
            self._defined.set()

    async def _put_definitions(self, api: Api) -> None:
        bodies = [body for file in self._definitions for body in await asyncio.to_thread(_read, file)]
        await asyncio.gather(*(api.put(body) for body in bodies))
        async with asyncio.timeout(SERVED_WITHIN_S):
            for path in (path for body in bodies for path in _lists(body)):
                while not await api.is_served(path):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_S)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROOT_NAMESPACE}}
        await api.put(namespace)

    def _webhook(self) -> Json:
        """What Istio's installation registers, at istiod's address."""
        bundle = base64.b64encode(self.plane.authority.ca.read_bytes()).decode()
        rule = {
            "apiGroups": list(kinds.ISTIO),
            "apiVersions": ["*"],
            "resources": ["*"],
            "operations": ["CREATE", "UPDATE"],
        }
        hook = {
            "name": "validation.istio.io",
            "clientConfig": {
                "url": f"https://{self.address}:{WEBHOOK_PORT}/validate",
                "caBundle": bundle,
            },
            "rules": [rule],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": WEBHOOK},
            "webhooks": [hook],
        }


def _anew(spec: ProcessSpec) -> Callable[[Room], None]:
    """What was held before is forgotten: the mesh tells all of it again."""

    def prepare(room: Room) -> None:
        shutil.rmtree(room.folder / "data", ignore_errors=True)
        if spec.prepare is not None:
            spec.prepare(room)

    return prepare


def _read(file: Path) -> list[Json]:
    return [body for body in yaml.load_all(file.read_bytes(), Loader=yaml.CSafeLoader) if body]


def _lists(body: Json) -> Iterator[str]:
    """Where the objects of a definition are listed, in each of its versions."""
    spec = body["spec"]
    for version in spec["versions"]:
        if version["served"]:
            yield f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
