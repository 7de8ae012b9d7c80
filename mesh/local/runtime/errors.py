"""What can go wrong for a user of the mesh, in words to show as they are.

MeshError
├── MeshBusy          another supervisor runs on this state folder
├── MeshNotRunning    no supervisor answers for this state folder
├── NotReady          the mesh is still starting, or did not come up
├── NotFound          no such pod, container or workload
├── Conflict          an object is not of the version that its writer has read
├── NotWritten        the state folder takes no file: its disk is full or read-only
└── DeliveryFailed    a sidecar refused or did not acknowledge; the previous state is in force again
    └── Unanswered    a sidecar, or a control plane, neither answers nor ends: it is worth another try
"""

from __future__ import annotations


class MeshError(Exception):
    """Base of all; the text is the message."""


class MeshBusy(MeshError):
    pass


class MeshNotRunning(MeshError):
    pass


class NotReady(MeshError):
    pass


class NotFound(MeshError):
    pass


class Conflict(MeshError):
    pass


class NotWritten(MeshError):
    pass


class DeliveryFailed(MeshError):
    pass


class Unanswered(DeliveryFailed):
    pass
