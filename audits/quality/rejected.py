"""Rows that were rejected: what no request can have produced, and what could not be loaded. No audit counts them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, func, select, text

from audits.quality.tables import quality_hours

# An operator may have a table of this name that is not ours, or one that may not be read: it tells nothing then. Both
# are asked beside the contract's tables, which may be read through stand-ins that do not have this one.
_THERE = {
    "duckdb": "SELECT column_name FROM duckdb_columns() WHERE database_name = 'src' AND schema_name = 'main' "
    "AND table_name = 'rejected_rows'",
    "postgresql": "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('rejected_rows') AND attnum > 0 "
    "AND NOT attisdropped AND has_column_privilege(attrelid, attname, 'SELECT')",
}
_TABLE = {"duckdb": "src.main.rejected_rows", "postgresql": "rejected_rows"}
_LOADED_SINCE = "loaded_at >= :since"
_OCCURRED = (
    f"CASE WHEN occurred_at IS NULL THEN {_LOADED_SINCE} ELSE occurred_at >= :since AND occurred_at < :until END"
)


def impossible_rows(connection: Connection, first: date, last: date) -> dict[str, int]:
    """Source -> its rows of the days first..last whose tokens or cost are below zero; sources without any are left
    out."""
    q = quality_hours.c
    statement = select(q.source_system, func.sum(q.n_negative)).where(q.day.between(first, last), q.n_negative > 0)
    rows = connection.execute(statement.group_by(q.source_system))
    return {source: int(n) for source, n in rows}


def not_loaded(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """Source -> rows that its loads rejected and that were, or may have been, used from one instant to another.

    Where it cannot be told when a row was used, it may have been on any day before it was to be loaded, and on none
    after.
    """
    engine = connection.dialect.name
    there = set(connection.scalars(text(_THERE[engine])))
    if not {"source_system", "loaded_at"} <= there:
        return {}
    may_belong = _OCCURRED if "occurred_at" in there else _LOADED_SINCE  # loads of older versions kept no time
    counted = f"SELECT source_system, count(*) FROM {_TABLE[engine]} WHERE {may_belong} GROUP BY 1"  # noqa: S608
    return {source: int(n) for source, n in connection.execute(text(counted), {"since": since, "until": until})}
