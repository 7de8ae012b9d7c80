"""From a request to a handler's arguments, strictly: what is not understood is refused by name."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from services.kit.endpoint import Access, Endpoint
from services.kit.errors import BadRequest, NotFound, PayloadTooLarge, UnsupportedMediaType
from services.kit.settings import decode_secret

MAX_INT64 = 2**63 - 1
MAX_QUERY_PARAMETERS = 100
# Requests of these have no body that a handler could read as a stream.
BODILESS = ("GET", "HEAD", "DELETE")

_AT = re.compile(r" - at `(.*)`$", re.DOTALL)
_FIELD = re.compile(r"contains unknown field `(.*?)`|missing required field `(.*?)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_PATH_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")


class _Int64(Convertor[int]):
    # starlette's own takes any number of digits, and Python refuses to read more than 4,300.
    regex = "[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("int64", _Int64())


@dataclass(frozen=True)
class Signature:
    """What a handler asks for, read once when the application is composed."""

    body: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None
    headers: type[msgspec.Struct] | None
    path: dict[str, type]
    principal: bool
    request: bool
    streams: bool
    returns: Any

    @classmethod
    def of(cls, endpoint: Endpoint) -> Signature:
        """Read and check the handler's signature; raises TypeError for one that could not be served."""
        hints = get_type_hints(endpoint.handler)
        returns = hints.pop("return", None)
        names = list(inspect.signature(endpoint.handler).parameters)[1:]
        where = f"{endpoint.method} {endpoint.path}"
        path = {name: hints[name] for name, _ in _PATH_PARAMETER.findall(endpoint.path) if name in names}
        strange = set(names) - set(path) - {"body", "query", "headers", "principal", "request"}
        if strange:
            raise TypeError(f"{where}: nothing is known to pass as {', '.join(sorted(strange))}")
        if "request" in names and endpoint.takes_key and endpoint.method not in BODILESS:
            raise TypeError(f"{where}: a streamed body cannot be compared; say idempotent=False")
        if "principal" in names and endpoint.access is Access.INTERNAL:
            raise TypeError(f"{where}: an internal endpoint is called for no user")
        if "principal" in names and endpoint.access is Access.PUBLIC and not _optional(hints["principal"]):
            raise TypeError(f"{where}: a public endpoint has a `Principal | None`")
        for name in ("body", "query"):
            if name in names:
                _require_strict(hints[name], where)
        return cls(
            body=hints.get("body"),
            query=hints.get("query"),
            headers=hints.get("headers"),
            path=path,
            principal="principal" in names,
            request="request" in names,
            streams="request" in names and "body" not in names and endpoint.method not in BODILESS,
            returns=returns,
        )


def routed(path: str) -> str:
    """The path with bounded integers, for starlette's router."""
    return path.replace(":int}", ":int64}")


def path_arguments(scope: Scope) -> dict[str, Any]:
    """The path's parameters; an integer that no id can have is a 404, a NUL character is a 400."""
    parameters: dict[str, Any] = scope["path_params"]
    for name, value in parameters.items():
        if isinstance(value, int):
            if not 0 < value <= MAX_INT64:
                raise NotFound(f"no id is {value}")
        elif "\0" in value:
            raise BadRequest("a NUL character in the path", parameter=name)
    return parameters


def query_reader(kind: type[msgspec.Struct]) -> Callable[[Scope], msgspec.Struct]:
    """A function that reads the query string as `kind`; it raises BadRequest naming the parameter."""
    fields = {field.encode_name: _is_list(field.type) for field in msgspec.structs.fields(kind)}

    def read(scope: Scope) -> msgspec.Struct:
        values: dict[str, Any] = {}
        for name, value in _query(scope["query_string"]):
            if name not in fields:
                raise BadRequest(f"there is no parameter `{name}`", parameter=name)
            if "\0" in value:
                raise BadRequest(f"a NUL character in `{name}`", parameter=name)
            if fields[name]:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise BadRequest(f"`{name}` is given twice", parameter=name)
            else:
                values[name] = value
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            reason, steps = explained(error)
            name = str(steps[0]) if steps else ""
            raise BadRequest(f"`{name}`: {reason}", parameter=name) from error

    return read


def headers_reader(kind: type[msgspec.Struct]) -> Callable[[Scope], msgspec.Struct]:
    """A function that reads the headers that `kind` has as fields; it raises BadRequest naming the header."""
    names = {
        field.name.replace("_", "-").encode(): field.encode_name for field in msgspec.structs.fields(kind)
    }

    def read(scope: Scope) -> msgspec.Struct:
        values: dict[str, str] = {}
        for name, value in scope["headers"]:
            field = names.get(name)
            if field is not None:
                before = values.get(field)
                text = value.decode("latin-1")
                values[field] = text if before is None else f"{before}, {text}"
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            reason, steps = explained(error)
            header = str(steps[0]).replace("_", "-") if steps else ""
            raise BadRequest(f"{header}: {reason}", header=header) from error

    return read


def body_reader(kind: type[msgspec.Struct]) -> Callable[[bytes], msgspec.Struct]:
    """A function that reads JSON as `kind`; it raises BadRequest with a JSON pointer to the place."""
    decoder = msgspec.json.Decoder(kind, dec_hook=decode_secret)

    def read(content: bytes) -> msgspec.Struct:
        try:
            value = decoder.decode(content)
        except msgspec.ValidationError as error:
            reason, steps = explained(error)
            raise BadRequest(reason, pointer=pointer_to(steps)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"the body is not JSON: {error}") from error
        if rb"\u0000" in content:
            # Only here: most bodies have no such escape, and `\\u0000` is not one.
            _refuse_nul(msgspec.json.decode(content), [])
        return value

    return read


def check_json(scope: Scope) -> None:
    """Raise UnsupportedMediaType unless the request says its body is JSON in UTF-8."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media, _, parameters = value.decode("latin-1").lower().partition(";")
            charset = parameters.replace(" ", "").replace('"', "")
            if media.strip() == "application/json" and charset in ("", "charset=utf-8"):
                return
            break
    raise UnsupportedMediaType("send application/json", headers={"accept": "application/json"})


def limited(scope: Scope, receive: Receive, limit_bytes: int) -> Receive:
    """`receive`, which raises PayloadTooLarge as soon as the body is known to be longer than the limit."""
    too_large = PayloadTooLarge(f"at most {limit_bytes} bytes", limit_bytes=limit_bytes)
    for name, value in scope["headers"]:
        # The server has refused a length that is no number; more than 19 digits is too large in any case.
        if name == b"content-length" and (len(value) > 19 or int(value) > limit_bytes):
            raise too_large
    left = limit_bytes

    async def receive_limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return receive_limited


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body; raises ClientDisconnect when the client goes away before its end."""
    return await Request(scope, receive).body()


def explained(error: msgspec.ValidationError) -> tuple[str, list[str | int]]:
    """What is wrong, and the steps to the place: field names, and positions in lists."""
    text = str(error)
    steps: list[str | int] = []
    found = _AT.search(text)
    if found is not None:
        text = text[: found.start()]
        for name, position in _STEP.findall(found[1]):
            steps.append(name or (int(position) if position.isdigit() else "*"))
    named = _FIELD.search(text)
    if named is not None:
        steps.append(named[1] or named[2])
    return text, steps


def pointer_to(steps: list[str | int]) -> str:
    """The steps as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _refuse_nul(value: Any, steps: list[str | int]) -> None:
    if isinstance(value, str) and "\0" in value:
        raise BadRequest("a NUL character cannot be stored", pointer=pointer_to(steps))
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_nul(name, steps)
            _refuse_nul(inner, [*steps, name])
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _refuse_nul(inner, [*steps, position])


def _query(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_PARAMETERS,
        )
    except ValueError as error:
        raise BadRequest(f"the query string cannot be read: {error}") from error


def _optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _is_list(annotation: Any) -> bool:
    kind = msgspec.inspect.type_info(annotation)
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    options = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    collections = (
        msgspec.inspect.ListType,
        msgspec.inspect.VarTupleType,
        msgspec.inspect.SetType,
        msgspec.inspect.FrozenSetType,
    )
    return any(isinstance(option, collections) for option in options)


def _require_strict(kind: Any, where: str) -> None:
    structs = [kind] if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else get_args(kind)
    for struct in structs:
        if not struct.__struct_config__.forbid_unknown_fields:
            raise TypeError(f"{where}: {struct.__name__} must say forbid_unknown_fields=True")
