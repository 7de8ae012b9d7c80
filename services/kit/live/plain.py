"""The part of YAML that a runtime configuration is written in: one mapping of names to plain values."""

from __future__ import annotations

from typing import Any

import yaml

from services.kit.settings import InvalidSettings

MAX_BYTES = 64 * 1024
MERGE = "<<"


class PlainLoader(yaml.SafeLoader):
    """Refuses by name what no setting needs, before anything is made of it.

    What a tag, an alias or a merge makes of its value is up to code that fails in ways of its own, and what
    is nested costs time by its depth.
    """

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level:
            raise _refused("a list or a mapping as a value", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # an event has what its kind has
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"the alias *{event.anchor}", event.start_mark)
        if event.anchor is not None:
            raise _refused(f"the anchor &{event.anchor}", event.start_mark)
        if event.tag is not None:
            raise _refused(f"the tag {event.tag}", event.start_mark)
        if parent is None and isinstance(event, yaml.SequenceStartEvent):
            raise InvalidSettings("this is no list of settings, NAME: VALUE")
        if parent is not None and isinstance(event, yaml.CollectionStartEvent):
            raise _refused("a list or a mapping as a value", event.start_mark)
        if index is None and getattr(event, "value", None) == MERGE:
            raise _refused(f"the merge key {MERGE}", event.start_mark)
        return super().compose_node(parent, index)


def _refused(what: str, mark: Any) -> InvalidSettings:
    return InvalidSettings(f"{what[:100]} is not taken (line {mark.line + 1})")
