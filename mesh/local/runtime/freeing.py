"""What is held over the files of a mesh that is down, and the words by which people name such objects."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.local.model import Json
from mesh.local.runtime import applied, views
from mesh.local.runtime.applied import Key
from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.held import held, unscaled, without
from mesh.local.runtime.overrides import Overrides
from mesh.local.runtime.state import State

SHORT = {  # kubectl's
    "deploy": "deployment",
    "svc": "service",
    "sa": "serviceaccount",
    "cm": "configmap",
    "ns": "namespace",
    "vs": "virtualservice",
    "dr": "destinationrule",
    "gw": "gateway",
    "ap": "authorizationpolicy",
    "pa": "peerauthentication",
    "ra": "requestauthentication",
}


def listed(state: State) -> list[Json]:
    """What is held, as the mesh would say it if it ran. Raises MeshError."""
    return [
        views.override(one) for one in held(applied.load(state.applied), Overrides(state.overrides).entries)
    ]


def free(state: State, keys: Sequence[Key]) -> None:
    """Forget these; for a mesh that is down. Raises MeshBusy when it is not."""
    with state.held():
        applied.save(state.applied, without(applied.load(state.applied), keys))
        overrides = Overrides(state.overrides)
        overrides.replace(unscaled(overrides.entries, keys))


def named(reference: str, namespace: str, keys: Sequence[Key]) -> Key:
    """The one of these that `KIND/NAME` means, or NAME alone. Raises NotFound, naming what there is."""
    written, _, name = reference.rpartition("/")
    kind = written.lower().partition(".")[0]
    kind = SHORT.get(kind, kind)
    fits = [key for key in keys if key[2] == name and kind in ("", *_forms(key[0]))]
    if not kind and len({key[0] for key in fits}) > 1:
        raise NotFound(f"{name} may mean several: {', '.join(f'{key[0].lower()}/{name}' for key in fits)}")
    for key in fits:
        if key[1] in ("", namespace):
            return key
    if fits:
        raise NotFound(f"{reference} is held in {fits[0][1]}, not in {namespace}: say -n {fits[0][1]}")
    known = ", ".join(f"{key[0].lower()}/{key[2]}" for key in keys)
    raise NotFound(f"{reference} is not held over the files; held: {known or 'nothing'}")


def _forms(kind: str) -> tuple[str, str]:
    """A kind in the singular and in the plural."""
    lower = kind.lower()
    return lower, f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
