"""What is asked about objects before they are held, and in which order they are written."""

from __future__ import annotations

import json
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from mesh.local import resources
from mesh.local.istiod.api import Api, ApiRefused
from mesh.local.istiod.objects import objects
from mesh.local.istiod.store import Store
from mesh.local.model import Config, InvalidConfig, Json, Registry

pytestmark = pytest.mark.anyio

TEXT = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: one }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: right }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: two }
---
apiVersion: v1
kind: Service
metadata: { name: nobody-asks }
"""
SAID = {
    "one": 'admission webhook "w" denied the request: 2 errors occurred:\n\t* bad\n\t* worse\n\n',
    "two": 'admission webhook "w" denied the request: wrong',
}


class Refusing:
    """Refuses what `SAID` has something against."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def put(self, body: Json, *, tried: bool = False) -> Json:
        name = body["metadata"]["name"]
        assert tried != (body["kind"] == "Namespace"), name
        self.asked.append(name)
        if name in SAID:
            raise ApiRefused(SAID[name])
        return body


async def test_every_mistake_of_every_object_is_told_at_once() -> None:
    api = Refusing()
    async with aiohttp.ClientSession() as session:
        store = Store(cast("Api", api), session, "http://nowhere")
        with pytest.raises(InvalidConfig) as refused:
            await store.judge(Config(resources.parse(TEXT, "a.yaml")))
    assert [str(found) for found in refused.value.findings] == [
        "a.yaml:1: error: VirtualService one: bad",
        "a.yaml:1: error: VirtualService one: worse",
        "a.yaml:9: error: Gateway two: wrong",
    ]
    *namespaces, _, _, _ = api.asked
    assert namespaces == ["default", "istio-system"]  # before all that stands in them
    assert sorted(api.asked[2:]) == ["one", "right", "two"]


class Taking:
    """Takes everything, in order."""

    def __init__(self) -> None:
        self.written: list[Json] = []

    async def put(self, body: Json, *, tried: bool = False) -> Json:
        assert not tried
        self.written.append(body)
        return {"metadata": {"resourceVersion": str(len(self.written))}}


class Reading(Store):
    """A store whose istiod reads a MeshConfig at the third look, and all else at once."""

    def __init__(self, api: Taking, session: aiohttp.ClientSession) -> None:
        super().__init__(cast("Api", api), session, "http://nowhere")
        self.api = api
        self.before: list[list[str]] = []  # the kinds that were written, at each look

    async def _told(self, page: str, kind: Any) -> Any:
        if page == "mesh":
            self.before.append([body["kind"] for body in self.api.written])
            read = [body for body in self.api.written if body["kind"] == "ConfigMap"] if self.third else []
            return json.loads(read[-1]["data"]["mesh"]) if read else {}
        known = [
            {"kind": body["kind"], "metadata": {**body["metadata"], "resourceVersion": str(number)}}
            for number, body in enumerate(self.api.written, 1)
            if body["apiVersion"] != "v1"
        ]
        return msgspec.convert(known, kind)

    @property
    def third(self) -> bool:
        return len(self.before) >= 3


async def test_nothing_is_written_before_istiod_has_read_the_mesh_config_that_it_hangs_on() -> None:
    async with aiohttp.ClientSession() as session:
        store = Reading(Taking(), session)
        config = Config(resources.parse(TEXT, "a.yaml"))
        assert (
            await store.hold(objects(config, Registry((), ()), [], {"default/nobody-asks": "10.0.0.1"})) == 1
        )
    assert len(store.before) == 3
    assert {kind for kinds in store.before for kind in kinds} == {"Namespace", "ConfigMap"}
    assert {"VirtualService", "Gateway"} <= {body["kind"] for body in store.api.written}
