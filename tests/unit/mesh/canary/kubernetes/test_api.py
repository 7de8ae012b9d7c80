"""What the API server's answers become, without a server."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from lightkube import AsyncClient, KubeConfig

from mesh.canary.kubernetes import kinds
from mesh.canary.kubernetes.api import Api, Unacceptable
from mesh.canary.platform import Away, Conflict, NotFound, PlatformError

pytestmark = pytest.mark.anyio
CONFIG = KubeConfig.from_dict(
    {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
)


def api(answer: httpx2.Response | Exception) -> Api:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx2.MockTransport(respond)
    return Api(AsyncClient(CONFIG.get(), transport=transport, trust_env=False), "app")


def refusal(code: int, message: str = "because") -> httpx2.Response:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
    return httpx2.Response(code, content=json.dumps(body), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (refusal(403), PlatformError, "forbids to patch deployments/scale in namespace app: because"),
        (refusal(404), NotFound, "there is no deployments/scale links in namespace app: because"),
        (refusal(409), Conflict, "deployments/scale links was changed by somebody else"),
        (refusal(422), Unacceptable, "refuses to patch deployments/scale links: because"),
        (refusal(429), Away, "cannot do it now"),
        (refusal(503), Away, "cannot do it now"),
        (
            httpx2.Response(502, content=b"<html>", headers={"Content-Type": "text/html"}),
            Away,
            "answered 502",
        ),
        (httpx2.Response(502), Away, "does not answer"),
        (httpx2.Response(200, content=b"<html>"), Away, "does not answer"),
        (httpx2.ConnectError("refused"), Away, r"does not answer \(patch deployments/scale links\): refused"),
        (httpx2.ReadTimeout(""), Away, "ReadTimeout"),
    ],
)
async def test_a_failure_is_a_sentence(answer: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence) as caught:
        await api(answer).merge(kinds.SCALE, "links", {"spec": {"replicas": 1}})
    assert type(caught.value) is kind


async def test_whatever_the_server_adds_to_an_object_is_kept() -> None:
    body = {"metadata": {"name": "x"}, "spec": {"fromTheFuture": {"a": [1]}}}
    found = await api(httpx2.Response(200, json=body)).get(kinds.DEPLOYMENT, "x")
    assert found["spec"] == body["spec"]
