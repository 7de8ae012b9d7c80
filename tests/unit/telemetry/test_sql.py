"""What a span says of an SQL text."""

from __future__ import annotations

import pytest

from services.links import store
from telemetry.instrumentation.sql import MAX_TEXT_CHARACTERS, describe


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT 1", "SELECT"),
        ("SELECT id FROM links WHERE id = $1 FOR UPDATE", "SELECT links"),
        ("SELECT count(*) FROM (SELECT FROM links LIMIT 5) AS some", "SELECT links"),
        ("SELECT extract(epoch FROM now() - min(created_at)) FROM outbox", "SELECT outbox"),
        ("SELECT name FROM unnest($1::text[]) AS offered (name)", "SELECT"),
        ("  insert into users (name)\n values ($1)", "INSERT users"),
        ("INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET b = $1", "INSERT a"),
        ("UPDATE links AS l SET a = 1", "UPDATE links"),
        ("DELETE FROM sessions WHERE id = $1", "DELETE sessions"),
        ("WITH a AS (SELECT 1 FROM links), b AS (SELECT 2 FROM a) SELECT * FROM b", "SELECT links"),
        ("WITH gone AS (DELETE FROM users RETURNING id) SELECT id FROM gone", "DELETE users"),
        ("WITH a (x) AS MATERIALIZED (SELECT f(')') FROM t) UPDATE u SET x = 1", "UPDATE u"),
        ("-- SELECT FROM elsewhere\nDELETE FROM here", "DELETE here"),
        ("BEGIN;", "BEGIN"),
        ("SAVEPOINT s;", "SAVEPOINT"),
        ("SET LOCAL lock_timeout = 5", "SET"),
        ("", "(EMPTY)"),
        (store.SAVE, "INSERT links"),
        (store.EDIT, "UPDATE links"),
        (store.DELETE, "DELETE links"),
    ],
)
def test_a_statement_is_named_by_what_it_is_there_for(sql: str, name: str) -> None:
    assert describe(sql).name == name


def test_no_value_is_in_the_text() -> None:
    text = describe("SELECT * FROM t1 WHERE a = 'it''s /* mine */' AND b = 4711 AND c = $12 -- 99").text
    assert text == "SELECT * FROM t1 WHERE a = ? AND b = ? AND c = $12"


def test_a_long_text_is_cut() -> None:
    assert len(describe("SELECT " + "a, " * 5_000 + "1").text) == MAX_TEXT_CHARACTERS
