"""Programs of a cluster that are none: they note how they were called, and remember what is there by then."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

# Each is one script by its own name. What it has made are files in the folder `state`, so that a second run
# finds them; a file `fails` holds a piece of a call that fails, once.
SCRIPT = r"""#!/bin/sh
here=$(dirname "$0")
name=$(basename "$0")
state="$here/state"
said="$name $*"
echo "$said" >> "$here/calls"
if [ -s "$here/fails" ] && echo "$said" | grep -qF -- "$(cat "$here/fails")"; then
  : > "$here/fails"
  echo "as asked" >&2
  exit 1
fi
# What comes by the input of `kubectl ... -f -`.
for last; do :; done
given() { cat >> "$here/given"; echo --- >> "$here/given"; }
case "$said" in
  "docker info"*) [ -e "$here/no-daemon" ] || echo 28.0.0 ;;
  "docker image inspect"*) echo "sha256:$(cat "$here/content" 2> /dev/null || echo 0123456789abcdef)" ;;
  "kind get clusters") [ ! -e "$state/cluster" ] || echo delinkcious ;;
  "kind get nodes"*) echo delinkcious-control-plane ;;
  "kind create cluster"*) : > "$state/cluster" ;;
  "kind delete cluster"*|"minikube delete"*) rm -f "$state"/* ;;
  "minikube image ls"*) echo "[$(cat "$state/images" 2> /dev/null) {\"repoTags\": []}]" ;;
  "minikube image load"*)
    echo "{\"repoTags\": [\"docker.io/$3\"]}," >> "$state/images" ;;
  *" get -f "*)
    file=$(echo "$said" | sed 's/.* get -f \([^ ]*\) .*/\1/')
    [ ! -e "$state/$(basename "$file")" ] || echo found ;;
  *" create -f "*) : > "$state/$(basename "$last")" ;;
  *" -f -") given ;;
esac
"""
ALL = ("docker", "kind", "minikube", "kubectl", "helm")


@dataclass(frozen=True)
class Programs:
    """A folder for PATH."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, *without: str) -> Programs:
        (folder / "state").mkdir(parents=True)
        for name in ALL:
            if name not in without:
                (folder / name).write_text(SCRIPT)
                (folder / name).chmod(0o755)
        return cls(folder)

    def calls(self) -> list[str]:
        """How they were called since this was last asked; the context, which is always the same, left out."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return [
            line.replace(" --context kind-delinkcious", "")
            .replace(" --kube-context kind-delinkcious", "")
            .replace(" --context delinkcious", "")
            .replace(" --kube-context delinkcious", "")
            for line in lines
        ]

    def given(self) -> str:
        return (self.folder / "given").read_text()

    def fail(self, piece: str) -> None:
        """Let the next call that has this in it fail."""
        (self.folder / "fails").write_text(piece)

    def content(self, digest: str) -> None:
        """Let an image that is built have another content."""
        (self.folder / "content").write_text(digest)


def releases(calls: list[str]) -> list[str]:
    """The releases that Helm installed, in order."""
    found = [shlex.split(each) for each in calls]
    return [words[3] for words in found if words[:3] == ["helm", "upgrade", "--install"]]
