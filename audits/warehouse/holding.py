"""Which tables hold any row."""

from __future__ import annotations

from functools import cache

from sqlalchemy import CompoundSelect, Connection, MetaData, Table, exists, literal, select, union_all


def holding_rows(connection: Connection, metadata: MetaData) -> list[Table]:
    """The tables that hold at least one row, asked in one question."""
    tables = metadata.sorted_tables
    return [tables[number] for number in connection.execute(_question(metadata)).scalars()]


@cache
def _question(metadata: MetaData) -> CompoundSelect[int]:
    tables = enumerate(metadata.sorted_tables)
    return union_all(*(select(literal(number)).where(exists().select_from(table)) for number, table in tables))
