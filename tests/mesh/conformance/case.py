"""One case of the suite: a YAML file, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).parent
CASES = FOLDER / "cases"
BASE = FOLDER / "base"

Bounds = tuple[float, float]
Values = Mapping[str, str | int]


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A field that is not known is a mistake."""


class Upstream(Strict, frozen=True):
    """What reached the workload; a header of null is not there, and `~` begins a regular expression."""

    method: str | None = None
    path: str | None = None
    port: int | None = None
    body: str | None = None
    headers: dict[str, str | None] = {}


class Log(Strict, frozen=True):
    """Fields of a proxy's access log line, by the names of Istio's default format."""

    flags: str | None = None
    details: str | None = None
    cluster: str | None = None
    route: str | None = None


class Took(Strict, frozen=True):
    """Seconds: only bounds that a slow machine cannot break."""

    at_least: float = 0
    below: float | None = None


class Expect(Strict, frozen=True):
    """What the one who asks sees, and what proxies have logged.

    `shares` are per cent of the answers by workload, `statuses` counts.
    """

    status: int | None = None
    body: str | None = None
    headers: dict[str, str | None] = {}
    answered_by: str | None = None
    upstream: Upstream | None = None
    log: Log | None = None
    server_log: Log | None = None
    logged: bool | None = None
    server_logged: bool | None = None
    closed: bool = False
    took: Took | None = None
    same_workload: bool = False
    shares: dict[str, Bounds] = {}
    statuses: dict[int, Bounds] = {}


class Token(Strict, frozen=True):
    """A token that is sent as a bearer, or in place of ${TOKEN} in the URL and the headers."""

    claims: dict[str, Any] = {}
    signed_by: Literal["JWKS", "OTHER_JWKS"] = "JWKS"
    bearer: bool = True


class Request(Strict, frozen=True):
    """Something that is sent: `times` in a row, or so many `at_once`; `eventually`: until it is as expected.

    By default through the sidecar of `client`; `through: gateway` is from the world to the gateway, and
    `through: WORKLOAD` from the world straight to that pod. `tcp://HOST:PORT` sends the body over plain TCP.
    """

    url: str
    expect: Expect
    client: str = "client"
    through: str = "sidecar"
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""
    token: Token | None = None
    sni: str | None = None
    certificate: Literal["trusted", "unknown"] | None = None
    times: int = 1
    at_once: int = 1
    eventually: bool = False


class Written(Strict, frozen=True):
    """The file. A case with `refused` has no requests; `istio` says what Istio itself makes of it.

    `yaml` is for what must reach the parser as it is written.
    """

    title: str
    reference: str
    resources: list[dict[str, Any]] = []
    yaml: str = ""
    base: list[str] = []
    requests: list[Request] = []
    gate: bool = False
    refused: str | None = None
    istio: Literal["accepts", "refuses"] | None = None
    limit: str = ""


class Case(Strict, frozen=True):
    """A case and its name, GROUP/NAME."""

    name: str
    written: Written

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """All objects, those of the named bases first."""
        based = [each for name in self.written.base for each in base(name)]
        return [*based, *self.written.resources]

    def text(self, values: Values) -> str:
        """The objects as JSON documents with their ${NAMES} filled in."""
        filled = [fill(each, values) for each in self.resources]
        return "".join(f"---\n{json.dumps(each)}\n" for each in filled) + self.written.yaml


def fill(node: Any, values: Values) -> Any:
    """The same with every ${NAME} of its texts replaced; a text that is nothing else may become a number."""
    if isinstance(node, str):
        for name, value in values.items():
            if node == f"${{{name}}}":
                return value
            node = node.replace(f"${{{name}}}", str(value))
        return node
    if isinstance(node, list):
        return [fill(each, values) for each in node]
    if isinstance(node, dict):
        return {key: fill(each, values) for key, each in node.items()}
    return node


def base(name: str) -> list[dict[str, Any]]:
    return msgspec.yaml.decode((BASE / f"{name}.yaml").read_bytes(), type=list[dict[str, Any]])


def read(path: Path) -> Case:
    """Raises msgspec.ValidationError, ValueError."""
    name = str(path.relative_to(CASES).with_suffix(""))
    try:
        written = msgspec.yaml.decode(path.read_bytes(), type=Written)
    except msgspec.DecodeError as error:
        raise ValueError(f"{name}: {error}") from error
    if wrong := _wrong(written):
        raise ValueError(f"{name}: {wrong}")
    return Case(name, written)


def _wrong(written: Written) -> str:
    """What fields say against each other."""
    if not written.title.strip() or not written.reference.strip():
        return "title and reference are to be said"
    if written.refused is not None:
        if written.requests or written.istio is None:
            return "a refused case has no requests, and says whether Istio `accepts` or `refuses`"
        return ""
    if written.istio is not None:
        return "`istio` is said of refused cases"
    if not written.requests:
        return "requests are to be made, or `refused` is to be expected"
    unsaid = [request.url for request in written.requests if request.expect == Expect()]
    return f"nothing is expected of {unsaid[0]}" if unsaid else ""


def every(only: str = "") -> list[Case]:
    """All cases by name, or those whose name begins with `only`."""
    found = [read(path) for path in sorted(CASES.rglob("*.yaml"))]
    return [case for case in found if case.name.startswith(only)]
