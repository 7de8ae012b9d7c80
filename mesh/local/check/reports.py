"""Findings for programs: a list of objects, and SARIF 2.1.0 for code scanning and editors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

from mesh.local.check.messages import MESSAGES, NOTES, Message, id_of
from mesh.local.model import Finding, Json

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
TOOL = "delinkcious mesh check"


def as_objects(findings: Sequence[Finding]) -> list[Json]:
    """One object per finding; `line` is null where it is about no line."""
    return [
        {
            "id": id_of(found),
            "name": MESSAGES[id_of(found)].name,
            "level": found.level,
            "file": found.file,
            "line": found.line or None,
            "kind": found.kind,
            "object": found.name,
            "field": found.field,
            "message": found.message,
            "url": MESSAGES[id_of(found)].page or None,
        }
        for found in findings
    ]


def as_sarif(findings: Sequence[Finding], version: str) -> Json:
    """One run with the rules that were broken; paths are as the findings name them."""
    ids = sorted({id_of(found) for found in findings})
    driver = {"name": TOOL, "semanticVersion": version, "rules": [_rule(MESSAGES[id]) for id in ids]}
    results = [_result(found, ids.index(id_of(found))) for found in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(message: Message) -> Json:
    rule: Json = {"id": message.id, "name": message.name, "shortDescription": {"text": message.about}}
    return {**rule, "helpUri": message.page} if message.page else rule


def _result(found: Finding, rule: int) -> Json:
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(found.file)},
            "region": {"startLine": max(found.line, 1)},
        },
        "logicalLocations": [
            {"name": found.name, "fullyQualifiedName": f"{found.kind} {found.name}", "kind": "object"}
        ],
    }
    said = f"{found.field}: {found.message}" if found.field else found.message
    return {
        "ruleId": id_of(found),
        "ruleIndex": rule,
        "level": "note" if id_of(found) in NOTES else found.level,
        "message": {"text": f"{found.kind} {found.name}: {said}"},
        "locations": [place],
        "partialFingerprints": {"object/v1": _fingerprint(found)},
    }


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix().encode(errors="surrogateescape"))


def _fingerprint(found: Finding) -> str:
    """The same for the same mistake, wherever in the file it moves."""
    parts = (id_of(found), found.kind, found.name, found.field)
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]
