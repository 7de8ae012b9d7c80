"""Runs cases on a control plane."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.mesh.conformance import access_log
from tests.mesh.conformance.case import Case, Request, fill
from tests.mesh.conformance.external import External
from tests.mesh.conformance.judging import differences
from tests.mesh.conformance.plane import ControlPlane
from tests.mesh.conformance.platform import Credentials
from tests.mesh.conformance.sending import Answer, Sender

PUSHED_WITHIN_S = 2.0  # by istiod, on a busy machine
EVENTUALLY_S = 20.0
# How the mesh says that Istio would have taken what it refuses.
MILDER = ("not supported on the laptop", "Istio would accept this")


@dataclass(frozen=True)
class Outcome:
    """What one control plane made of a case: `problems` is empty when all was as expected."""

    case: Case
    plane: str
    problems: tuple[str, ...]


class Suite:
    """Runs one case after the other on the platform of one control plane."""

    def __init__(self, plane: Callable[[Path, Credentials], ControlPlane], folder: Path) -> None:
        credentials = Credentials()
        self._external = External(folder, credentials)
        self._plane = plane(folder, credentials)
        self._values = {**credentials.values, **self._external.values}
        self._sender = Sender(self._plane, credentials, folder, self._values)

    def __enter__(self) -> Suite:
        try:
            self._plane.start()
            self._external.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._external.close()
        self._plane.close()

    def log(self, answer: Answer) -> Mapping[str, str]:
        """The line of a request in the access log of the proxy that was asked."""
        return self._log(answer.proxy, answer.agent)

    @property
    def plane(self) -> ControlPlane:
        return self._plane

    def run(self, case: Case) -> Outcome:
        """Put its objects in the place of the last case's, then send its requests."""
        problems = tuple(self._problems(case, self.replace(case)))
        # Pushes of istiod follow each other: what lasts is a difference, what passes is not.
        deadline = time.monotonic() + PUSHED_WITHIN_S
        while problems and self._plane.name != "embedded" and time.monotonic() < deadline:
            problems = tuple(self._problems(case, self.replace(case)))
        return Outcome(case, self.name, problems)

    @property
    def name(self) -> str:
        """Of the control plane."""
        return self._plane.name

    def replace(self, case: Case) -> str | None:
        """None once the objects of the case are in force, else why they are refused."""
        return self._plane.replace(case.text(self._values))

    def send(self, request: Request) -> list[Answer]:
        return self._sender.send(request)

    def headers(self, request: Request) -> dict[str, str]:
        """Those that a request carries, its token among them."""
        return self._sender.headers(request)

    def _problems(self, case: Case, refusal: str | None) -> Iterator[str]:
        if case.written.refused is not None:
            yield from self._refused(case, refusal)
        elif refusal is not None:
            yield f"refused: {refusal}"
        else:
            for written in case.written.requests:
                request = msgspec.structs.replace(written, url=fill(written.url, self._values))
                for difference in self._sent(request):
                    yield f"{request.method} {request.url}: {difference}"

    def _sent(self, request: Request) -> list[str]:
        """What is not as expected; what is to be so eventually is asked for again."""
        deadline = time.monotonic() + EVENTUALLY_S
        while True:
            answers = self.send(request)
            found = [*differences(request.expect, answers, self._log), *self._unlogged(request, answers)]
            if not found or not request.eventually or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _refused(self, case: Case, refusal: str | None) -> Iterator[str]:
        """By the mesh always, in these words; by Istio where it is invalid there too."""
        if self._plane.name != "embedded":
            unasked = refusal is not None and any(words in refusal for words in MILDER)
            if not unasked and (refusal is not None) != (case.written.istio == "refuses"):
                yield f"Istio {case.written.istio} it, says the case; Istio says {refusal or 'nothing'}"
        elif refusal is None:
            yield "accepted, and was to be refused"
        else:
            said = [line for line in refusal.splitlines() if str(case.written.refused) in line]
            if not said:
                yield f"refused in other words than {case.written.refused!r}: {refusal}"
            elif (case.written.istio == "accepts") not in [any(w in line for w in MILDER) for line in said]:
                yield f"it is to be told whether Istio {case.written.istio} it: {refusal}"

    def _unlogged(self, request: Request, answers: Sequence[Answer]) -> Iterator[str]:
        """What is logged, or not logged, against what is expected."""
        wanted = {answers[0].proxy: request.expect.logged, answers[0].workload: request.expect.server_logged}
        if set(wanted.values()) == {None}:
            return
        self.send(request)  # once this one is answered, the proxies are done with the first
        for workload, expected in wanted.items():
            if expected is not None:
                pod = self._plane.pod(workload)
                assert pod.admin is not None, f"{workload} has no proxy"
                if access_log.has(pod.log, pod.admin, answers[0].agent) != expected:
                    yield f"{workload} has {'not ' if expected else ''}logged it"

    def _log(self, workload: str, agent: str) -> Mapping[str, str]:
        return access_log.entry(self._plane.pod(workload).log, agent)
