"""What a runtime configuration says, judged against the types of the settings it names."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import yaml

from services.kit.settings import InvalidSettings, ServiceSettings, is_live

S = TypeVar("S", bound=ServiceSettings)


def read(text: str, given: S) -> S:
    """`given` with the settings that `text` has; raises InvalidSettings naming every fault."""
    fields = {field.name.upper(): field for field in msgspec.structs.fields(type(given))}
    live = set(live_names(type(given)))
    values: dict[str, Any] = {}
    faults = []
    for name, value in _mapping(text).items():
        field = fields.get(name)
        if field is None:
            faults.append(f"{name} is no setting of this service")
        elif field.name not in live:
            faults.append(f"{name} does not change while the process runs")
        else:
            try:
                values[field.name] = msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                faults.append(f"{name}: {error}")
    if faults:
        raise InvalidSettings("; ".join(faults))
    return msgspec.structs.replace(given, **values)


def live_names(kind: type[ServiceSettings]) -> list[str]:
    """The settings that may change while the process runs."""
    return [field.name for field in msgspec.structs.fields(kind) if is_live(field.type)]


class _Loader(yaml.SafeLoader):
    """Refuses what is said twice: YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise InvalidSettings(f"{name} stands there twice")
        return super().construct_mapping(node, deep)


def _mapping(text: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    # Of a date that is none it raises ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InvalidSettings(f"this is no YAML{where}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidSettings("this is no list of settings, NAME: VALUE")
    return {str(name): value for name, value in content.items()}
