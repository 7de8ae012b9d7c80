"""What a runtime configuration says, judged against the types of the settings it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import yaml

from services.kit.live.plain import MAX_BYTES, PlainLoader
from services.kit.settings import InvalidSettings, ServiceSettings, is_live

S = TypeVar("S", bound=ServiceSettings)

# Of one log line: whoever wrote thousands of faults has one cause to look for.
MAX_FAULTS = 10
MAX_FAULT_CHARACTERS = 200
# No number or word of a setting is longer; of a longer one Python makes numbers that it cannot print.
MAX_VALUE_CHARACTERS = 1_000


def read(text: str, given: S) -> S:
    """`given` with the settings that `text` has; raises InvalidSettings naming the faults, ten at most."""
    fields = {field.name.upper(): field for field in msgspec.structs.fields(type(given))}
    live = set(live_names(type(given)))
    values: dict[str, Any] = {}
    seen: set[str] = set()
    faults = []
    for name, value in _pairs(text):
        field = fields.get(name)
        if name in seen:
            # YAML would let the last one win.
            faults.append(f"{name} stands there twice")
        elif field is None:
            faults.append(f"{name} is no setting of this service")
        elif field.name not in live:
            faults.append(f"{name} does not change while the process runs")
        else:
            try:
                values[field.name] = msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                faults.append(f"{name}: {error}")
        seen.add(name)
    if faults:
        raise InvalidSettings(_told(faults))
    return msgspec.structs.replace(given, **values)


def live_names(kind: type[ServiceSettings]) -> list[str]:
    """The settings that may change while the process runs."""
    return [field.name for field in msgspec.structs.fields(kind) if is_live(field.type)]


def _told(faults: list[str]) -> str:
    shown = [fault[:MAX_FAULT_CHARACTERS] for fault in faults[:MAX_FAULTS]]
    if len(faults) > MAX_FAULTS:
        shown.append(f"and {len(faults) - MAX_FAULTS} more")
    return "; ".join(shown)


def _pairs(text: str) -> list[tuple[str, Any]]:
    if len(text.encode(errors="surrogateescape")) > MAX_BYTES:
        raise InvalidSettings(f"this is larger than {MAX_BYTES // 1024} KiB")
    try:
        loader = PlainLoader(text)
        return list(_constructed(loader, loader.get_single_node()))
    # Of a date that is none it raises ValueError, of a number that is too large OverflowError.
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InvalidSettings(f"this is no YAML{where}") from error


def _constructed(loader: PlainLoader, root: yaml.Node | None) -> Iterator[tuple[str, Any]]:
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(root, yaml.MappingNode):
        raise InvalidSettings("this is no list of settings, NAME: VALUE")
    for name, value in root.value:
        if len(value.value) > MAX_VALUE_CHARACTERS:
            raise InvalidSettings(f"the value in line {value.start_mark.line + 1} is too long")
        yield name.value, loader.construct_object(value)
