"""`python -m deploy.clusters kind|minikube up|down|canary|report`: a cluster with everything in it."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.clusters.cluster import CLUSTERS
from deploy.clusters.installation import ROOT, Installation, report
from deploy.clusters.programs import Failed, require


def main(arguments: list[str]) -> int:
    """The exit status: 0 done, 1 it failed and says why, 2 it was asked wrongly."""
    match arguments:
        case [name, ("up" | "down" | "canary" | "report") as verb] if name in CLUSTERS:
            installation = Installation(CLUSTERS[name])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    try:
        if verb == "up":
            installation.up()
            print(installation.urls())
        elif verb == "down":
            require([installation.cluster.program])
            installation.cluster.delete()
        elif verb == "canary":
            installation.canary(Path(sys.executable).with_name("delinkcious"))
        else:
            report(installation.cluster.context, ROOT / ".artefacts" / name)
    except Failed as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
