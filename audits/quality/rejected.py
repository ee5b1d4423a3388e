"""Rows that were rejected: what no request can have produced, and what could not be loaded. No audit counts them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, func, select, text

from audits.quality.tables import quality_hours

# An operator may have a table of this name that is not ours, or one that may not be read: it tells nothing then. Both
# are asked beside the contract's tables, which may be read through stand-ins that do not have this one.
_THERE = {
    "duckdb": "SELECT count(*) = 2 FROM duckdb_columns() WHERE database_name = 'src' AND schema_name = 'main' "
    "AND table_name = 'rejected_rows' AND column_name IN ('source_system', 'loaded_at')",
    "postgresql": "SELECT count(*) = 2 FROM pg_attribute WHERE attrelid = to_regclass('rejected_rows') "
    "AND attname IN ('source_system', 'loaded_at') AND has_column_privilege(attrelid, attname, 'SELECT')",
}
_NOT_LOADED = {
    "duckdb": "SELECT source_system, count(*) FROM src.main.rejected_rows WHERE loaded_at >= :since GROUP BY 1",
    "postgresql": "SELECT source_system, count(*) FROM rejected_rows WHERE loaded_at >= :since GROUP BY 1",
}


def impossible_rows(connection: Connection, first: date, last: date) -> dict[str, int]:
    """Source -> its rows of the days first..last whose tokens or cost are below zero; sources without any are left
    out."""
    q = quality_hours.c
    statement = select(q.source_system, func.sum(q.n_negative)).where(q.day.between(first, last), q.n_negative > 0)
    rows = connection.execute(statement.group_by(q.source_system))
    return {source: int(n) for source, n in rows}


def not_loaded(connection: Connection, since: datetime) -> dict[str, int]:
    """Source -> rows that its loads rejected at or after an instant.

    When such a row was used cannot be told: it may be of any day before it was to be loaded, and of none after.
    """
    engine = connection.dialect.name
    if not connection.scalar(text(_THERE[engine])):
        return {}
    rows = connection.execute(text(_NOT_LOADED[engine]), {"since": since})
    return {source: int(n) for source, n in rows}
