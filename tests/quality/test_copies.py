"""Which of several copies of a request is kept: the same one, whatever the engine, its collation or the order."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from audits.quality.quarantine import copy_number, find_duplicates, kept_events
from audits.warehouse import warehouse
from tests.rows import event, put

DAY = date(2026, 10, 14)
TWICE = (
    {"model_served": "m-1", "status_code": 500, "user_agent_family": "Python"},
    {"model_served": "M-1", "status_code": 200, "user_agent_family": "python"},
)
"""Copies alike in time, account, source, tokens and arrival."""


@pytest.mark.parametrize("order", [1, -1])
def test_of_copies_that_differ_in_what_is_seldom_looked_at_the_same_one_is_kept(url, order):
    put(url, {"usage_events": [event(1, "a", "2026-10-14T10:00", **copy) for copy in TWICE[::order]]})
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        find_duplicates(connection, DAY, DAY)
        kept = kept_events(DAY, DAY, deduplicate=True)
        rows = connection.execute(select(kept.c.model_served, kept.c.status_code)).all()
    assert [tuple(row) for row in rows] == [("M-1", 200)]


def test_texts_are_ordered_by_bytes_whatever_collation_the_database_has():
    written = str(select(copy_number()).compile(dialect=postgresql.dialect()))
    assert written.count('COLLATE "C"') == written.count("COLLATE")
    for column in ("account_id", "source_system", "model_served"):
        assert f'{column} COLLATE "C"' in written
