"""What is asked of `mesh explain` may be nonsense: that is told, and is no failure of the mesh."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.local.model import Config, Proxy, Registry
from mesh.local.runtime.errors import MeshError
from mesh.local.runtime.explaining import Question, answer

PROXY = Proxy(
    kind="sidecar",
    name="web",
    namespace="default",
    labels={},
    service_account="web",
    workload="web",
    ip="127.0.0.2",
    app_ip="127.0.0.3",
    ports=(),
    egress=("127.0.0.2", 15001),
    admin=("127.0.0.2", 15000),
    folder=Path("/nowhere"),
)


def test_a_url_that_is_none_is_told() -> None:
    pod = SimpleNamespace(
        manifest=SimpleNamespace(namespace="default", name="web", key="default/web", workload="web"),
        sidecar=SimpleNamespace(proxy=PROXY),
        ready=True,
    )
    keys = SimpleNamespace(texts={})
    desired = SimpleNamespace(config=Config([]), registry=lambda: Registry((), ()), keys=keys)
    mesh: Any = SimpleNamespace(controller=SimpleNamespace(pods={"default/web": pod}), desired=desired)
    with pytest.raises(MeshError, match="is no URL"):
        answer(mesh, Question(pod="web", method="GET", url="http://[::1"))
