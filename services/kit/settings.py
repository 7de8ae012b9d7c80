"""Settings from the environment, or from files that it names: the one room that reads either.

A service's settings are one struct that extends ServiceSettings; a field `database_url` is read from
DATABASE_URL, or from the file whose path is in DATABASE_URL_FILE. Every field is documented in its type:
`Annotated[int, Meta(description="...")]`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
# Nothing waits longer than thirty years; a number without end would be no time at all.
Seconds = Annotated[float, Meta(le=1e9)]
# As many as a database's integer holds.
Positive = Annotated[int, Meta(ge=1, le=2_147_483_647)]
# `Meta(..., extra=LIVE)`: RUNTIME_CONFIG_FILE may change it while the process runs (services/kit/live).
LIVE = {"live": True}


class InvalidSettings(Exception):
    """What is wrong with the environment, one sentence per setting, values of secrets left out."""


class Secret:
    """A text that prints as `***`; `reveal()` gives it to the one who needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def first(self) -> str:
        """Of several values with commas between: the one that is shown to others."""
        return self._value.partition(",")[0]

    def several(self) -> list[str]:
        """All of them: each is accepted."""
        return [part for part in self._value.split(",") if part]

    def __repr__(self) -> str:
        return "***" if self._value else "(empty)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def decode_secret(kind: type[Any], value: Any) -> Any:
    """msgspec's `dec_hook`: a field of type Secret is a text outside."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    # msgspec turns a TypeError into its ValidationError, which says where.
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def reveal_secret(value: Any) -> Any:
    """msgspec's `enc_hook` where a secret is meant for the one who gets the text; no log uses it."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"no JSON for {type(value)}")


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every service is told."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "0.0.0.0"  # noqa: S104 - a pod's own
    port: Annotated[Port, Meta(description="Port of the API; 0 lets the system choose.")] = 8080
    metrics_port: Annotated[Port, Meta(description="Port of /metrics, apart from the API.")] = 9090
    service_version: Annotated[str, Meta(description="Version label of this workload.")] = "v1"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severe level that is logged.", extra=LIVE),
    ] = "info"
    log_level_file: Annotated[
        str,
        Meta(description="A file with the level, as of a mounted ConfigMap: looked at every two seconds."),
    ] = ""
    runtime_config_file: Annotated[
        str,
        Meta(
            description="A file with settings that change while the process runs, as of a mounted ConfigMap:"
            " looked at every second, see docs/operations.md."
        ),
    ] = ""
    pod_name: Annotated[str, Meta(description="Name of this pod, for its log lines.")] = ""
    log_requests: Annotated[
        bool, Meta(description="One line per request; off, since the sidecar writes an access log.")
    ] = False
    database_url: Annotated[Secret, Meta(description="postgresql:// URL of the service's own database.")] = (
        Secret("")
    )
    database_pool_size: Annotated[
        Positive, Meta(description="Connections to the database that this process holds at most.")
    ] = 10
    database_acquire_timeout_s: Annotated[
        Seconds,
        Meta(ge=0, description="How long a request waits for a connection; then it is answered 503."),
    ] = 2.0
    nats_url: Annotated[
        Secret,
        Meta(description="nats://user:password@host:4222 of the broker; empty: no event leaves or comes."),
    ] = Secret("")
    nats_replicas: Annotated[
        int,
        Meta(ge=1, le=5, description="Servers of a NATS cluster that keep each event; never made fewer."),
    ] = 1
    service_token: Annotated[
        Secret,
        Meta(
            description="What services show each other for calls that are made for no user. To change it,"
            " give two with a comma between: the first is shown, both are accepted."
        ),
    ] = Secret("")
    jwks_url: Annotated[str, Meta(description="Where the keys of access tokens are published.")] = ""
    issuer: Annotated[str, Meta(description="`iss` of the access tokens that are accepted.")] = ""
    audience: Annotated[str, Meta(description="`aud` of the access tokens that are accepted.")] = ""
    max_concurrency: Annotated[
        Positive, Meta(description="Requests that run at the same time.", extra=LIVE)
    ] = 48
    max_queue: Annotated[
        int,
        Meta(ge=0, description="Requests that wait for their turn; one more is answered 503.", extra=LIVE),
    ] = 32
    queue_timeout_s: Annotated[
        Seconds,
        Meta(
            ge=0,
            description="How long a request waits for its turn before it is answered 503.",
            extra=LIVE,
        ),
    ] = 0.2
    drain_delay_s: Annotated[
        Seconds, Meta(ge=0, description="After SIGTERM: how long new requests are still answered, not ready.")
    ] = 5.0
    drain_timeout_s: Annotated[
        Seconds, Meta(ge=0, description="After the drain delay: how long requests may take to end.")
    ] = 25.0
    # Longer than Envoy keeps an idle connection (1 h): the proxy closes first, so no request meets a
    # connection that is just closing.
    keep_alive_s: Annotated[
        Positive, Meta(description="How long an idle connection of a client stays open.")
    ] = 3_900
    trace_ratio: Annotated[
        float,
        Meta(ge=0, le=1, description="Share of requests without a traceparent that are traced.", extra=LIVE),
    ] = 0.01
    otel_sdk_disabled: Annotated[
        bool, Meta(description="No trace context and no request metrics: to measure what they cost.")
    ] = False
    otel_exporter_otlp_endpoint: Annotated[
        str, Meta(description="OTLP/HTTP address that spans go to; empty: no span is made.")
    ] = ""


S = TypeVar("S", bound=ServiceSettings)


class Setting(msgspec.Struct, frozen=True):
    """One setting for its documentation: the variable's name, its default as printed, what it is for."""

    name: str
    default: str
    description: str
    required: bool
    live: bool = False


def load(kind: type[S], environment: Mapping[str, str] | None = None) -> S:
    """The settings `kind` from the environment and its files; raises InvalidSettings naming every fault."""
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    faults = []
    for field in msgspec.structs.fields(kind):
        name = field.name.upper()
        try:
            text = _text(name, variables)
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{name}_FILE: {variables[name + '_FILE']} cannot be read ({type(error).__name__})")
            continue
        if text is None:
            if field.required:
                faults.append(f"{name} is missing")
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=decode_secret)
        except msgspec.ValidationError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise InvalidSettings("; ".join(faults))
    return kind(**values)


def printable(settings: ServiceSettings) -> dict[str, object]:
    """The settings by variable name, fit to be logged: secrets as `***`."""
    return {
        field.name.upper(): repr(value) if isinstance(value, Secret) else value
        for field in msgspec.structs.fields(settings)
        for value in [getattr(settings, field.name)]
    }


def describe(kind: type[ServiceSettings]) -> Iterator[Setting]:
    """Every setting of `kind`, for its documentation."""
    for field in msgspec.structs.fields(kind):
        described = msgspec.inspect.type_info(field.type)
        extra = described.extra_json_schema or {} if isinstance(described, msgspec.inspect.Metadata) else {}
        default = "" if field.default is msgspec.NODEFAULT else str(field.default)
        description = str(extra.get("description", ""))
        yield Setting(field.name.upper(), default, description, field.required, is_live(field.type))


def is_live(kind: Any) -> bool:
    """Whether a setting of this type may change while the process runs."""
    described = msgspec.inspect.type_info(kind)
    extra = described.extra if isinstance(described, msgspec.inspect.Metadata) else None
    return bool(extra and extra.get("live"))


def _text(name: str, variables: Mapping[str, str]) -> str | None:
    if name in variables:
        return variables[name]
    if name + "_FILE" in variables:
        return Path(variables[name + "_FILE"]).read_text().strip()
    return None
