"""What the link checker is told besides what every service is."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Annotated

from msgspec import Meta

from services.kit.settings import LIVE, InvalidSettings, Positive, Seconds, ServiceSettings
from services.link_checker.domain import Schedule
from services.link_checker.fetching.addresses import Guard
from services.link_checker.fetching.fetcher import AGENT

UNSAFE = "yes, strangers may reach these addresses"


class CheckerSettings(ServiceSettings, frozen=True, kw_only=True):
    allowed_ports: Annotated[
        str, Meta(description="Ports that links may name, with commas between.", pattern=r"^\d+(,\d+)*$")
    ] = "80,443"
    refused_networks: Annotated[
        str,
        Meta(description="Public networks that nobody is sent to either: your own. With commas between."),
    ] = ""
    contact_url: Annotated[
        str,
        Meta(
            description="Where those who run the sites can read who checks their pages.",
            pattern=r"^[!-~]{1,200}$",
        ),
    ] = "https://delinkcious.example/"
    max_checks: Annotated[
        Positive, Meta(description="Checks that this process runs at the same time.", extra=LIVE)
    ] = 16
    host_pause_s: Annotated[Seconds, Meta(ge=0, description="Pause between two requests to one host.")] = 1.0
    max_pages: Annotated[
        Positive,
        Meta(description="Pages fetched for a form at the same time; one more is answered 429.", extra=LIVE),
    ] = 8
    pages_per_s: Annotated[
        float,
        Meta(gt=0, description="Pages fetched for a form per second, after a burst of ten seconds' worth."),
    ] = 10.0
    first_interval_s: Annotated[
        Seconds, Meta(gt=0, description="From the first good check to the next; it doubles from there.")
    ] = 86_400.0
    longest_interval_s: Annotated[
        Seconds, Meta(gt=0, description="The interval that is not doubled any more.")
    ] = 30 * 86_400.0
    retry_interval_s: Annotated[
        Seconds, Meta(gt=0, description="Between two checks of a link that fails but is not dead yet.")
    ] = 8 * 3_600.0
    dead_after_failures: Annotated[
        Positive, Meta(description="Failures in a row without which no link is dead.")
    ] = 4
    dead_after_s: Annotated[Seconds, Meta(ge=0, description="Time that these failures span at least.")] = (
        3 * 86_400.0
    )
    unsafe_test_reachable: Annotated[
        str,
        Meta(
            description="FOR TESTS ONLY: address:port pairs, with commas between, that no rule is asked"
            " about. Refused without UNSAFE_TEST_CONSENT."
        ),
    ] = ""
    unsafe_test_consent: Annotated[str, Meta(description=f"FOR TESTS ONLY: the words `{UNSAFE}`.")] = ""

    def guard(self) -> Guard:
        """Where checks may go. Raises InvalidSettings."""
        try:
            refused = tuple(
                ipaddress.ip_network(text.strip())
                for text in self.refused_networks.split(",")
                if text.strip()
            )
        except ValueError as error:
            raise InvalidSettings(f"REFUSED_NETWORKS: {error}") from error
        return Guard(
            ports=frozenset(map(int, self.allowed_ports.split(","))),
            also_refused=refused,
            UNSAFE_reachable_in_tests=self._unsafe(),
        )

    def user_agent(self) -> str:
        return f"{AGENT}/1.0 (+{self.contact_url})"

    def schedule(self) -> Schedule:
        """When links are looked at."""
        return Schedule(
            first=dt.timedelta(seconds=self.first_interval_s),
            longest=dt.timedelta(seconds=self.longest_interval_s),
            retry=dt.timedelta(seconds=self.retry_interval_s),
            dead_after_failures=self.dead_after_failures,
            dead_after=dt.timedelta(seconds=self.dead_after_s),
        )

    def _unsafe(self) -> frozenset[tuple[str, int]]:
        if not self.unsafe_test_reachable:
            return frozenset()
        if self.unsafe_test_consent != UNSAFE:
            raise InvalidSettings("UNSAFE_TEST_REACHABLE opens this network to strangers: it is for tests")
        found = set()
        for pair in self.unsafe_test_reachable.split(","):
            address, _, port = pair.rpartition(":")
            try:
                found.add((str(ipaddress.ip_address(address)), int(port)))
            except ValueError as error:
                raise InvalidSettings(f"UNSAFE_TEST_REACHABLE: {pair!r} is no address:port") from error
        return frozenset(found)
