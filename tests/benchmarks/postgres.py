"""One world on DuckDB and on PostgreSQL: how long an audit takes on each, and the slowest statement.

The world has some five million events and ten thousand accounts, a quarter of them in campaigns, so that linkage and
the rules on group levels have something to do. The server is this machine's, with its settings as shipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from sqlalchemy import Engine, event

from audits import pipeline
from audits.proving.world import WorldSpec, build_world
from audits.proving.worlds import AUDITED, WORLDS
from audits.settings import Settings
from tests.benchmarks.postgres_copy import copy_world


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of an audit from the bare source to the record, and its slowest statement."""

    seconds: float
    slowest: float
    statement: str


def ordinary() -> WorldSpec:
    """The world of ordinary size."""
    return replace(WORLDS["strong"].spec, volume=0.0008)


def compare(spec: WorldSpec, folder: Path, url: str) -> tuple[Took, Took]:
    """Build a world, copy it into the empty database at ``url``, and audit its last month on DuckDB and there."""
    file = folder / "world.duckdb"
    build_world(spec, file)
    copy_world(file, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")  # of the source, as autovacuum does within a minute of its loading
    on_duckdb = audited(Settings(f"duckdb:///{file}", f"sqlite:///{folder / 'duckdb.sqlite'}", folder / "duckdb"))
    on_postgres = audited(Settings(url, f"sqlite:///{folder / 'postgres.sqlite'}", folder / "postgres"))
    return on_duckdb, on_postgres


def audited(settings: Settings) -> Took:
    """Prepare and evaluate a world's last month, timed."""
    now = pipeline.auditable_from(settings, AUDITED)
    with timed_statements() as statements:
        begun = time.perf_counter()
        pipeline.prepare(settings, AUDITED, now=now)
        outcome = pipeline.evaluate(settings, AUDITED, now=now)
        took = time.perf_counter() - begun
    assert not [note for note in outcome.notes if "the rule failed" in note], outcome.notes
    slowest, statement = max(statements)
    return Took(took, slowest, statement)


@contextmanager
def timed_statements() -> Iterator[list[tuple[float, str]]]:
    """Seconds and text of every statement that any engine runs in the block."""
    found: list[tuple[float, str]] = []
    begun: dict[int, float] = {}

    def before(_connection, cursor, *_more) -> None:
        begun[id(cursor)] = time.perf_counter()

    def after(_connection, cursor, statement, *_more) -> None:
        found.append((time.perf_counter() - begun.pop(id(cursor)), statement))

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
