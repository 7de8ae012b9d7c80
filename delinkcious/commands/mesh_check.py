"""`delinkcious mesh check`: judge files without a mesh, for people, programs and code scanning."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

from delinkcious.commands import mesh_options
from delinkcious.commands.mesh_show import near
from mesh.local import resources
from mesh.local.check import insides, keys, validate
from mesh.local.check.messages import counts, id_of
from mesh.local.check.reports import as_objects, as_sarif
from mesh.local.model import Config, Finding, InvalidConfig, Resource
from mesh.local.runtime import podcheck
from mesh.local.runtime.workload import timed, workloads


@click.command()
@mesh_options.files_option
@click.option("-R", "--recursive", is_flag=True, help="Folders with all that is below them.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="What makes the exit code 1.",
)
@click.option("--online", is_flag=True, help="Also fetch the keys of every issuer (jwksUri), and ask DNS.")
def check(filenames: tuple[str, ...], recursive: bool, output: str, fail_on: str, online: bool) -> None:
    """Judge files without a mesh; exit code 1 when something is wrong.

    Each finding has the id of Istio's analyzer message, where `istioctl analyze` has one for it.
    """
    names = tuple(name for given in filenames for name in _below(given)) if recursive else filenames
    found, findings = _parsed(names)
    if not findings:
        config, findings = validate(found)
        if not any(finding.level == "error" for finding in findings):
            findings += podcheck.offline([*workloads(config, {}), *timed(config)])
        if online:
            findings += _online(config)
    bad = any(counts(finding, fail_on) for finding in findings)
    _show(findings, output)
    if output == "text" and not bad:
        click.echo(_summary(len(found), len(findings)))
    sys.exit(1 if bad else 0)


def _summary(objects: int, warnings: int) -> str:
    said = "1 object is right" if objects == 1 else f"{objects} objects are right"
    doubts = f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    return f"{said}{doubts}."


def _below(name: str) -> Iterator[str]:
    """A folder and all folders in it that hold configuration; anything else as it is."""
    root = Path(name)
    if name == "-" or not root.is_dir():
        yield name
        return
    for folder in sorted([root, *(path for path in root.rglob("*") if path.is_dir())]):
        hidden = any(part.startswith(".") for part in folder.relative_to(root).parts)
        if not hidden and any(resources.is_configuration(child.name) for child in folder.iterdir()):
            yield str(folder)


def _parsed(names: tuple[str, ...]) -> tuple[list[Resource], list[Finding]]:
    """What all files declare, and what is wrong with how they are written."""
    found: list[Resource] = []
    findings: list[Finding] = []
    for name in _files(names, findings):
        try:
            [(file, text)] = mesh_options.read((name,))
            found += resources.parse(text, file)
        except InvalidConfig as error:
            findings += error.findings
    return found, findings


def _files(names: Sequence[str], findings: list[Finding]) -> list[str]:
    """Every file that is named, or is in a folder that is, once."""
    files: dict[str, str] = {}
    for name in names:
        try:
            for file in ["-"] if name == "-" else resources.files_of(Path(name)):
                files.setdefault("-" if name == "-" else str(Path(file).absolute()), str(file))
        except InvalidConfig as error:
            findings += error.findings
    return list(files.values())


def _online(config: Config) -> list[Finding]:
    # It knows key formats, which offline judging need not load.
    from mesh.local.runtime import fetching, resolving

    addresses = {uri for _, _, uri in keys.key_addresses(config)}
    unreachable = keys.unreachable_keys(config, fetching.failures(config, addresses))
    return [*unreachable, *insides.named_insides(config, resolving.addresses(insides.names(config)))]


def _show(findings: Sequence[Finding], output: str) -> None:
    shown = [replace(finding, file=near(finding.file)) for finding in findings]
    if output == "json":
        click.echo(json.dumps(as_objects(shown), indent=2))
    elif output == "sarif":
        click.echo(json.dumps(as_sarif(shown, version("delinkcious")), indent=2))
    else:
        for finding in shown:
            click.echo(f"{finding} [{id_of(finding)}]")
