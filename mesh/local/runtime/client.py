"""The command line's end of the control socket."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlencode

from mesh.local.runtime.errors import Conflict, MeshError, MeshNotRunning
from mesh.local.runtime.state import State

SHOWN_WITHIN_S = 10.0
DONE_WITHIN_S = 330.0  # a rolling restart waits for slow starts


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("mesh", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class Client:
    """Asks the supervisor of a state folder. Raises MeshError with its words, MeshNotRunning without it.

    Its words may be a Conflict: what was to be written has changed since it was read.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, path: str, **query: str) -> Any:
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None, SHOWN_WITHIN_S)

    def post(self, path: str, body: Any = None, *, within_s: float = DONE_WITHIN_S) -> Any:
        return self._ask("POST", path, json.dumps(body), within_s)

    def _ask(self, method: str, path: str, body: str | None, within_s: float) -> Any:
        connection = _Connection(str(self._state.socket), within_s)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (FileNotFoundError, ConnectionRefusedError):
            raise MeshNotRunning(f"no mesh runs in {self._state.folder}") from None
        except TimeoutError:
            raise MeshNotRunning(
                f"the mesh in {self._state.folder} has not answered within {within_s:g} s"
            ) from None
        except ValueError as error:
            raise MeshError(f"the mesh in {self._state.folder} failed; its output says why") from error
        except (OSError, http.client.HTTPException) as error:
            raise MeshNotRunning(f"the mesh in {self._state.folder} went away: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise (Conflict if told.get("reason") == Conflict.__name__ else MeshError)(told["error"])
        return told
