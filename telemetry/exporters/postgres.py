"""PostgreSQL's statistics, by a role that has `pg_monitor` and nothing else."""

from __future__ import annotations

import asyncpg
from prometheus_client.core import Metric

from telemetry.exporters.families import Labels, count, gauge, one

TIMEOUT_S = 3.0

DATABASES = """
SELECT s.datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched,
       tup_inserted, tup_updated, tup_deleted, conflicts, temp_bytes, deadlocks,
       pg_database_size(s.datid) AS size_bytes
  FROM pg_stat_database s JOIN pg_database d ON d.oid = s.datid
 WHERE NOT datistemplate
"""
ACTIVITY = """
SELECT datname, coalesce(state, 'unknown') AS state, count(*) AS count,
       coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8 AS oldest_s
  FROM pg_stat_activity
 WHERE datname IS NOT NULL AND backend_type = 'client backend'
 GROUP BY 1, 2
"""
LOCKS = """
SELECT d.datname, count(*) FILTER (WHERE NOT granted) AS waiting, count(*) AS count
  FROM pg_locks l JOIN pg_database d ON d.oid = l.database
 GROUP BY 1
"""
SERVER = """
SELECT current_setting('max_connections')::int AS max_connections,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal_bytes
"""
# As pg_stat_database has them, those that only grow.
COUNTED = {
    "xact_commit": "Transactions committed.",
    "xact_rollback": "Transactions rolled back.",
    "blks_read": "Blocks read from the disk.",
    "blks_hit": "Blocks found in the buffers.",
    "tup_returned": "Rows scanned.",
    "tup_fetched": "Rows fetched.",
    "tup_inserted": "Rows inserted.",
    "tup_updated": "Rows updated.",
    "tup_deleted": "Rows deleted.",
    "conflicts": "Queries cancelled by recovery.",
    "temp_bytes": "Bytes of temporary files.",
    "deadlocks": "Deadlocks.",
}


async def collect(url: str) -> list[Metric]:
    """The metrics of this moment."""
    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return [gauge("pg_up", "Whether PostgreSQL answers.", one(0))]
    try:
        databases = await connection.fetch(DATABASES)
        activity = await connection.fetch(ACTIVITY)
        locks = await connection.fetch(LOCKS)
        server = await connection.fetchrow(SERVER)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return [gauge("pg_up", "Whether PostgreSQL answers.", one(0))]
    finally:
        connection.terminate()  # nothing is left to say, and a hung server would not answer
    return [
        gauge("pg_up", "Whether PostgreSQL answers.", one(1)),
        *_databases(databases),
        *_activity(activity),
        *_locks(locks),
        *_server(server),
    ]


def _databases(rows: list[asyncpg.Record]) -> list[Metric]:
    def of(column: str) -> list[tuple[Labels, float]]:
        return [({"datname": row["datname"]}, row[column] or 0) for row in rows]

    return [
        gauge("pg_stat_database_numbackends", "Connections.", of("numbackends")),
        gauge("pg_database_size_bytes", "Bytes on the disk.", of("size_bytes")),
        *(count(f"pg_stat_database_{name}", what, of(name)) for name, what in COUNTED.items()),
    ]


def _activity(rows: list[asyncpg.Record]) -> list[Metric]:
    def of(column: str) -> list[tuple[Labels, float]]:
        return [({"datname": row["datname"], "state": row["state"]}, row[column]) for row in rows]

    return [
        gauge("pg_stat_activity_count", "Connections by what they do.", of("count")),
        gauge("pg_stat_activity_max_tx_duration", "Seconds of the oldest transaction.", of("oldest_s")),
    ]


def _locks(rows: list[asyncpg.Record]) -> list[Metric]:
    def of(column: str) -> list[tuple[Labels, float]]:
        return [({"datname": row["datname"]}, row[column]) for row in rows]

    return [
        gauge("pg_locks_count", "Locks held and waited for.", of("count")),
        gauge("pg_locks_waiting", "Locks waited for.", of("waiting")),
    ]


def _server(row: asyncpg.Record | None) -> list[Metric]:
    if row is None:
        return []
    return [
        gauge("pg_settings_max_connections", "Connections at most.", one(row["max_connections"])),
        gauge("pg_postmaster_start_time_seconds", "When it started, since 1970.", one(row["started_at"])),
        count("pg_wal_bytes", "Bytes of write-ahead log written.", one(row["wal_bytes"])),
    ]
