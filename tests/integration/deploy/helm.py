"""Stands in for Helm 3 below `kubectl kustomize --enable-helm`: as much of it as kustomize asks for.

The engine is Helm's own, the one of the chart's tests; the command line is not. So no test here sees that a
kustomize asks what a real `helm` refuses, as kustomize 5.5 does with Helm 4 (docs/kubernetes.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import helm_python
import yaml


def main(arguments: list[str]) -> None:
    """`helm version`, or `helm template RELEASE CHART -f VALUES --namespace NS [--include-crds]`."""
    if arguments[0] == "version":
        sys.stdout.write("v3.19.0\n")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["template"])
    parser.add_argument("release")
    parser.add_argument("chart")
    parser.add_argument("-f", "--values", action="append", default=[])
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--include-crds", action="store_true")
    chosen = parser.parse_args(arguments)
    (values,) = [yaml.safe_load(Path(file).read_text()) for file in chosen.values]
    with helm_python.Chart.load(chosen.chart) as chart:
        made = chart.render(values, name=chosen.release, namespace=chosen.namespace)
    parts = [text for name, text in sorted(made.items()) if name.endswith(".yaml")]
    if chosen.include_crds:
        parts += [file.read_text() for file in sorted(Path(chosen.chart, "crds").glob("*.yaml"))]
    sys.stdout.write(
        "\n---\n".join(part.strip().removeprefix("---") for part in parts if part.strip()) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
