"""What people ask of a Rollout object, in its annotations: to begin a run, and commands to it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from mesh.canary.runs.journal import Verb
from mesh.canary.runs.rollout import InvalidRollout, Rollout, parse

Json = dict[str, Any]
START, COMMAND = "delinkcious.io/start", "delinkcious.io/command"
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Words = Annotated[str, Meta(max_length=200)]
T = TypeVar("T")


class NotUnderstood(ValueError):
    """What is wrong with an annotation. `id` is the request's, as far as it has one."""

    def __init__(self, id: str, why: str) -> None:
        super().__init__(why)
        self.id = id


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`id` is anybody's choice; what has it is taken once. `by` is who says to have asked."""

    id: Id
    by: Words


class Start(_Asked, frozen=True, kw_only=True):
    """How the canary differs: `env.NAME=VALUE`, an image, a command line."""

    set: tuple[str, ...] = ()
    image: str | None = None
    command: str | None = None


class Command(_Asked, frozen=True, kw_only=True):
    """A word to the run that goes on; `gate` is what is approved."""

    verb: Verb
    gate: Words = ""


def start(body: Json) -> Start | None:
    """Raises NotUnderstood."""
    return _read(_annotations(body).get(START), Start, START)


def command(body: Json) -> Command | None:
    """Raises NotUnderstood."""
    return _read(_annotations(body).get(COMMAND), Command, COMMAND)


def standing(body: Json) -> set[str]:
    """The ids of what stands in the annotations now, readable or not."""
    found = [_annotations(body).get(name) for name in (START, COMMAND)]
    return {_id(text) for text in found if text}


def rollout(body: Json) -> Rollout:
    """What the object describes. Raises InvalidRollout: the server knows most of its rules, and not all."""
    metadata = body.get("metadata") or {}
    who = {"name": metadata.get("name"), "namespace": metadata.get("namespace")}
    if not isinstance(body.get("spec"), dict):
        raise InvalidRollout("spec: it has none")
    return parse(
        {
            "apiVersion": body.get("apiVersion", "delinkcious.io/v1alpha1"),
            "kind": body.get("kind", "Rollout"),
            "metadata": who,
            "spec": body["spec"],
        }
    )


def _annotations(body: Json) -> Mapping[str, str]:
    found: Mapping[str, str] = (body.get("metadata") or {}).get("annotations") or {}
    return found


def _read(text: str | None, kind: type[T], name: str) -> T | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise NotUnderstood(_id(text), f"annotation {name}: {error}") from error


def _id(text: str) -> str:
    """What stands for the id of a request that cannot be read: its own, or else its beginning."""
    try:
        return str(msgspec.json.decode(text)["id"])[:64]
    except (msgspec.MsgspecError, KeyError, TypeError, IndexError):
        return text[:64]
