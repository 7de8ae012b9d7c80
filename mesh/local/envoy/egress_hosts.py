"""`egress[].hosts` of a Sidecar: which services and rules a client asks for, as `namespace/host` patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ANY = "*"


@dataclass
class _Wanted:
    exact: set[str] = field(default_factory=set)
    wild: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def takes_service(self, host: str) -> bool:
        return host in self.exact or any(within(host, pattern) for pattern in self.wild)

    def takes_rule(self, host: str) -> bool:
        """A rule's wildcard may also be wider than what is asked for."""
        if host in self.exact or any(_meet(host, pattern) for pattern in self.wild):
            return True
        return host.startswith("*") and any(within(exact, host) for exact in self.exact)

    def excludes(self, host: str) -> bool:
        return any(within(host, pattern) for pattern in self.excluded)


class EgressHosts:
    """The patterns of one Sidecar, `.` being the namespace that it is used in."""

    def __init__(self, written: Iterable[str], namespace: str) -> None:
        self._by_namespace: dict[str, _Wanted] = {}
        for entry in written:
            space, _, host = entry.partition("/")
            excluded, space = space.startswith("~"), space.removeprefix("~") or ANY
            wanted = self._by_namespace.setdefault(namespace if space == "." else space, _Wanted())
            if excluded:
                wanted.excluded.append(host.lower())
            elif host.startswith("*"):
                wanted.wild.append(host.lower())
            else:
                wanted.exact.add(host.lower())

    def takes_service(self, namespace: str, host: str) -> bool:
        asked = self._asked(namespace)
        return not any(one.excludes(host) for one in asked) and any(one.takes_service(host) for one in asked)

    def takes_rule(self, namespace: str, hosts: Iterable[str]) -> bool:
        """Whether a VirtualService of a namespace is asked for by any of its hosts."""
        asked = self._asked(namespace)
        return any(
            not any(one.excludes(host) for one in asked) and any(one.takes_rule(host) for one in asked)
            for host in hosts
        )

    def _asked(self, namespace: str) -> list[_Wanted]:
        found: Mapping[str, _Wanted] = self._by_namespace
        return [found[space] for space in (namespace, ANY) if space in found]


def within(host: str, pattern: str) -> bool:
    """Whether a pattern stands for all that `host`, maybe a wildcard itself, stands for."""
    if not pattern.startswith("*"):
        return host == pattern
    if host.startswith("*"):
        return len(host) >= len(pattern) and host[1:].endswith(pattern[1:])
    return host.endswith(pattern[1:])


def _meet(host: str, pattern: str) -> bool:
    return within(host, pattern) or within(pattern, host)
