"""What is asked about objects before they are held, of an API server that is none."""

from __future__ import annotations

from typing import cast

import aiohttp
import pytest

from mesh.local import resources
from mesh.local.istiod.api import Api, ApiRefused
from mesh.local.istiod.store import Store
from mesh.local.model import Config, InvalidConfig, Json

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
