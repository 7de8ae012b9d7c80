"""The schemas of Kubernetes itself, strict, of its three newest versions that the package has."""

from __future__ import annotations

import json
from functools import cache

import kubernetes_validate
from kubernetes_validate.utils import all_versions, major_minor

from tests.chart.manifests import Json, Rendered, where
from tests.chart.verdict import Verdicts

VERSIONS: tuple[str, ...] = tuple(dict.fromkeys(major_minor(version) for version in all_versions()))[-3:]
# Kinds that other projects define, of which that package has no schema; they are skipped, and counted.
OTHERS = {
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
    "delinkcious.io",
    "argoproj.io",
    "external-secrets.io",
}


def every_object_is_valid_for_the_three_newest_versions_of_kubernetes(chart: Rendered) -> Verdicts:
    for manifest in chart.manifests:
        if is_of_others(manifest):
            continue
        text = json.dumps(manifest, sort_keys=True)
        for version in VERSIONS:
            yield f"{where(manifest)} for {version}", judged(text, version)


def is_of_others(manifest: Json) -> bool:
    return str(manifest["apiVersion"]).partition("/")[0] in OTHERS


@cache
def judged(text: str, version: str) -> str:
    """What is wrong with a manifest; combinations have most of theirs in common, so it is asked once."""
    try:
        kubernetes_validate.validate(json.loads(text), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message[:120]}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return str(error.message)
    return ""


RULES = (every_object_is_valid_for_the_three_newest_versions_of_kubernetes,)
