"""Lines of a proxy's access log, read by the format in which it writes them (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mesh.local.envoy.access_log import JSON_FORMAT, TEXT_FORMAT
from mesh.local.model import Json


@dataclass(frozen=True)
class Line:
    """What a proxy says of one request; `status` is None where it never answered, absent texts are empty.

    `local` is the proxy's own end of the connection to the upstream, by which the next one knows it.
    """

    raw: str
    status: int | None = None
    flags: str = ""
    details: str = ""
    transport_failure: str = ""
    cluster: str = ""
    upstream: str = ""
    route: str = ""
    server_name: str = ""
    local: str = ""

    @property
    def inbound(self) -> bool:
        return self.cluster.startswith("inbound|")


# Which command tells which field.
_COMMANDS = {
    "%RESPONSE_CODE%": "status",
    "%RESPONSE_FLAGS%": "flags",
    "%RESPONSE_CODE_DETAILS%": "details",
    "%CONNECTION_TERMINATION_DETAILS%": "termination",
    "%UPSTREAM_TRANSPORT_FAILURE_REASON%": "transport_failure",
    "%UPSTREAM_CLUSTER_RAW%": "cluster",
    "%UPSTREAM_CLUSTER%": "cluster",
    "%UPSTREAM_HOST%": "upstream",
    "%UPSTREAM_LOCAL_ADDRESS%": "local",
    "%ROUTE_NAME%": "route",
    "%REQUESTED_SERVER_NAME%": "server_name",
}
_COMMAND = re.compile(r"%[A-Z][A-Z_0-9]*(?:\([^)]*\))?(?::\d+)?%")
# Headers and the like, in which somebody may have written anything: Envoy escapes neither quotes nor blanks.
_FREE = re.compile(r"%(?!START_TIME|EMIT_TIME)[A-Z_0-9]+\((?![^)]*:)")
# Pseudo-headers have no blank; what Envoy makes itself has no quote either.
_PSEUDO_HEADER = re.compile(r"%[A-Z_]+\([^)]*:[A-Z]+\)(?::\d+)?%")
_WORD = re.compile(
    r"%(?:PROTOCOL|RESPONSE_\w+|CONNECTION_TERMINATION_DETAILS|BYTES_\w+|DURATION|REQUESTED_SERVER_NAME"
    r"|UPSTREAM_(?:CLUSTER(?:_RAW)?|HOST|LOCAL_ADDRESS)|DOWNSTREAM_(?:LOCAL|REMOTE)_ADDRESS)(?::\d+)?%"
)
# Istio's own, which hold where nobody says another.
USUAL: tuple[Json, ...] = (
    {"text_format_source": {"inline_string": TEXT_FORMAT}},
    {"json_format": JSON_FORMAT},
)


class Reader:
    """Reads lines in the formats that a proxy writes: Envoy's `log_format`s, as its listeners have them."""

    def __init__(self, formats: Iterable[Json] = USUAL) -> None:
        self._keys: list[dict[str, str]] = []
        self._patterns: list[re.Pattern[str]] = []
        for form in formats:
            if (written := form.get("json_format")) is not None:
                self._keys.append({str(command): key for key, command in written.items()})
            elif text := (form.get("text_format_source") or {}).get("inline_string"):
                self._patterns.append(_pattern(text.rstrip("\n")))

    def read(self, raw: str) -> Line:
        """A line as far as it can be read; in no format that is known, the text alone."""
        found = (self._json(raw) if raw.startswith("{") else {}) or self._text(raw)
        fields = {name: value for name, value in found.items() if value not in ("", "-")}
        status = fields.pop("status", "")
        termination = fields.pop("termination", "")
        if termination and "details" not in fields:
            fields["details"] = termination
        return Line(raw, int(status) if status.isdigit() and status != "0" else None, **fields)

    def _json(self, raw: str) -> dict[str, str]:
        try:
            value = json.loads(raw)
        except ValueError:
            return {}
        if not isinstance(value, dict):
            return {}
        found: dict[str, str] = {}
        for keys in self._keys:
            for command, name in _COMMANDS.items():
                told = value.get(keys.get(command, ""))
                if told is not None:
                    found.setdefault(name, str(told))
        return found

    def _text(self, raw: str) -> dict[str, str]:
        for pattern in self._patterns:
            if match := pattern.fullmatch(raw):
                return match.groupdict()
        return {}


def _pattern(text: str) -> re.Pattern[str]:
    """A text format as an expression: commands that tell a field are its groups, the first of each.

    From the left it is read up to the first command that may be anything, from the right down to the last.
    """
    commands = [*_COMMAND.finditer(text)]
    ends = [*(command.start() for command in commands[1:]), len(text)]
    literals = [text[command.end() : end] for command, end in zip(commands, ends, strict=True)]
    parts = _fields([command[0] for command in commands], literals)
    free = [at for at, command in enumerate(commands) if _FREE.match(command[0])]
    made = re.escape(text[: commands[0].start()] if commands else text)
    if not free:
        return re.compile(made + "".join(_settled(parts[:-1])) + "".join(parts[-1:]))
    first, last = free[0], free[-1]
    between = parts[first:last]
    told = between if any("(?P<" in part for part in between) else []
    made += "".join(_settled(parts[:first] + told)) + ".*" + re.escape(literals[last])
    rest = parts[last + 1 :]
    return re.compile(made + "".join(_settled(rest[:-1])) + "".join(rest[-1:]))


def _fields(commands: Sequence[str], literals: Sequence[str]) -> list[str]:
    """Each command with what stands behind it."""
    found, seen = [], set()
    for command, literal in zip(commands, literals, strict=True):
        name, value = _COMMANDS.get(command), _value(command)
        told = f"(?P<{name}>{value})" if name and name not in seen else value
        seen.add(name)
        found.append(told + re.escape(literal))
    return found


def _value(command: str) -> str:
    if _WORD.fullmatch(command):
        return r"[^\s\"]*?"
    return r"\S*?" if _PSEUDO_HEADER.fullmatch(command) else ".*?"


def _settled(parts: Iterable[str]) -> list[str]:
    """Each as short as can be, once: a line that does not match would take years otherwise."""
    return [f"(?>{part})" for part in parts]
