"""A starting manifest for a plain command: what `mesh init` writes and `mesh run` runs (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

OWNER = "app.kubernetes.io/managed-by"
RUN = "delinkcious-mesh-run"  # who owns what `mesh run` has put beside the files
SERVED = 80  # the port under which others of the mesh know it


@dataclass(frozen=True)
class Program:
    """A command that is to be a service. `folder` is where it runs, "" for where the mesh was started."""

    name: str
    command: Sequence[str]
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    namespace: str = "default"
    folder: str = ""
    owner: str = ""


def manifest(program: Program) -> str:
    """The YAML, a comment for each thing that a newcomer would ask about."""
    parts = [_account(program), _deployment(program)]
    if program.port is not None:
        parts.append(_service(program))
    return "---\n".join(parts)


def _metadata(program: Program) -> str:
    labels = {"app": program.name} | ({OWNER: program.owner} if program.owner else {})
    whole = {"name": program.name, "namespace": program.namespace, "labels": labels}
    return f"metadata: {_flow(whole)}\n"


def _account(program: Program) -> str:
    return (
        "# Who the program is to others: its certificate and policies name this account.\n"
        f"apiVersion: v1\nkind: ServiceAccount\n{_metadata(program)}"
    )


def _deployment(program: Program) -> str:
    labels = {"app": program.name, "version": "v1"}
    text = (
        "# How many pods there are of it, and what each runs.\n"
        f"apiVersion: apps/v1\nkind: Deployment\n{_metadata(program)}"
        "spec:\n"
        f"  replicas: {program.replicas}\n"
        f"  selector: {_flow({'matchLabels': labels})}\n"
        "  template:\n"
        f"    metadata: {_flow({'labels': labels})} # `version` is what a DestinationRule's subsets pick by\n"
        "    spec:\n"
        f"      serviceAccountName: {_text(program.name)}\n"
        "      containers:\n"
        f"        - name: {_text(program.name)}\n"
        "          image: none # pulled on a cluster only; here the command runs in your own environment\n"
        f"          command: {_flow(list(program.command))}\n"
    )
    if program.folder:
        folder = json.dumps(program.folder)  # JSON's strings are YAML's
        text += f"          workingDir: {folder}\n"
    if program.env:
        text += "          env:\n"
        for name, value in program.env.items():
            text += f"            - {_flow({'name': name, 'value': value})}\n"
    if program.port is not None:
        text += (
            "          # Here it is told by HOST and PORT where to listen, behind its sidecar.\n"
            f"          ports: [{_flow({'name': 'http', 'containerPort': program.port})}]\n"
        )
    return text


def _service(program: Program) -> str:
    # A plain port is named http, so that routes and policies for HTTP see it.
    port = {"name": "http", "port": SERVED, "targetPort": "http"}
    return (
        f"# The name by which others reach it: http://{program.name}/\n"
        f"apiVersion: v1\nkind: Service\n{_metadata(program)}"
        "spec:\n"
        f"  selector: {_flow({'app': program.name})}\n"
        f"  ports: [{_flow(port)}] # `http` lets Istio's routes and policies see its requests\n"
    )


class _Dumper(yaml.SafeDumper):
    """Quotes every text that one YAML or another reads as something else."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_PLAIN = re.compile(r"[a-zA-Z][-\w./]*", re.ASCII)
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_Dumper.add_representer(str, _represented)


def _flow(value: object) -> str:
    """A list or an object in one line."""
    return yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=2**31, allow_unicode=True
    ).strip()


def _text(value: str) -> str:
    """A text in one line, quoted where it would be read as something else."""
    return _flow([value])[1:-1]
