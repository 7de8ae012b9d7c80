"""The command line's end of the control socket."""

from __future__ import annotations

from typing import Any

import httpx

from mesh.local.runtime.errors import MeshError, MeshNotRunning
from mesh.local.runtime.state import State

ANSWERED_WITHIN_S = 330.0  # a rolling restart waits for slow starts
CONNECTED_WITHIN_S = 5.0


class Client:
    """Asks the supervisor of a state folder. Raises MeshError with its words, MeshNotRunning without it."""

    def __init__(self, state: State) -> None:
        self._state = state
        transport = httpx.HTTPTransport(uds=str(state.socket))
        timeout = httpx.Timeout(ANSWERED_WITHIN_S, connect=CONNECTED_WITHIN_S)
        self._http = httpx.Client(transport=transport, base_url="http://mesh", timeout=timeout)

    def get(self, path: str, **query: str) -> Any:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise MeshNotRunning(f"no mesh runs in {self._state.folder}") from None
        except httpx.HTTPError as error:
            raise MeshNotRunning(f"the mesh in {self._state.folder} went away: {error!r}") from error
        body = answer.json()
        if answer.status_code != 200:
            raise MeshError(body["error"])
        return body
