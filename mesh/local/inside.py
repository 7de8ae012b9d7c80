"""What is inside of a pod: where only its own sidecar may send to, in whichever mesh of this machine (pure).

On Kubernetes the process behind a sidecar and the sidecar's own ports listen on the pod's localhost. Here
they listen on loopback addresses of the mesh's block, so whatever leads there is refused.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from mesh.local import block

ADMIN_PORT = 15000
EGRESS_PORT = 15001
CAPTURE_PORT = 15002  # for what iptables would capture; it begins with a PROXY header that says where to
PROXY_PORTS = (ADMIN_PORT, EGRESS_PORT, CAPTURE_PORT)

# The same as `is_inside`, of texts; they match as a whole.
_BLOCK = r"127\.[1-9]\d*"  # 127.0 is everybody's
_PROCESS = rf"{_BLOCK}\.(?:12[89]|1[3-9]\d|2\d\d)\.\d+"  # the upper half
_POD = rf"{_BLOCK}\.\d+\.\d+"
_PORTS = "(?:{})".format("|".join(map(str, PROXY_PORTS)))
AUTHORITIES = rf"{_PROCESS}(?::\d+)?|{_POD}:0*{_PORTS}"
SOCKETS = rf"(?:\[::ffff:)?(?:{_PROCESS}\]?:\d+|{_POD}\]?:{_PORTS})"  # as Envoy writes an endpoint


def is_inside(address: str, port: int) -> bool:
    """Whether what somebody wrote leads there; a name does not, as far as can be said without DNS."""
    return is_process(address) or (port in PROXY_PORTS and _of_a_mesh(address) is not None)


def is_process(address: str) -> bool:
    """Whether the processes behind sidecars listen at this address, at whichever port."""
    known = _of_a_mesh(address)
    return known is not None and known in block.applications(str(known))


def _of_a_mesh(written: str) -> IPv4Address | None:
    """The address of a mesh's block that is meant, however it is spelled."""
    known = _read(written.strip().removesuffix("."))
    if isinstance(known, IPv6Address):
        known = known.ipv4_mapped
    return known if known is not None and known.is_loopback and known not in block.COMMON else None


def _read(written: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(written.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(written))  # `127.1`, octal, hexadecimal, one number
    except (OSError, ValueError):
        return None
