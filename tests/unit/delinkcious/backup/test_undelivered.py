"""Which events of the stream a backup keeps."""

from __future__ import annotations

import datetime as dt

from delinkcious.backup.snapshots import Moment
from delinkcious.backup.undelivered import known
from services.kit.events import envelope
from services.kit.events.envelope import Event

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
MOMENTS = {"links": Moment(NOON, "a"), "users": Moment(NOON + dt.timedelta(seconds=1), "b")}


def event(source: str, at: dt.datetime) -> bytes:
    return envelope.encode(
        Event(
            specversion="1.0",
            id="0199",
            source=f"/delinkcious/{source}",
            type="delinkcious.link.saved.v1",
            time=at,
            partitionkey="7",
            sequence="3",
            data=envelope.data_of({"id": 1}),
        )
    )


def test_only_what_a_database_has_the_cause_of_is_kept() -> None:
    second = dt.timedelta(seconds=1)
    kept = [event("links", NOON), event("users", NOON + second)]
    dropped = [event("links", NOON + second / 2), event("users", NOON + 2 * second), event("stranger", NOON)]
    assert list(known([*dropped, *kept, b"no event"], MOMENTS)) == kept
