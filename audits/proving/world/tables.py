"""Getting rows into DuckDB: the contract's tables, and columns of Python values loaded at the speed of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
from sqlalchemy import Boolean, Date, DateTime, String, Table
from sqlalchemy.engine import make_url

from audits.warehouse.tables import source_metadata

POSTGRESQL = make_url("postgresql://").get_dialect()()  # whose names of types DuckDB takes
NO_TIME = -(2**62)


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """The contract's tables, empty."""
    for table in source_metadata.tables.values():
        columns = ", ".join(
            f"{c.name} {c.type.compile(POSTGRESQL)}{'' if c.nullable else ' NOT NULL'}" for c in table.columns
        )
        con.execute(f"CREATE TABLE {table.name} ({columns})")


def load(con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to a table of the contract. Instants are microseconds since 1970; None is NULL.

    DuckDB guesses the type of an object column from a sample, so NULL travels as a value that means nothing else.
    """
    table: Table = source_metadata.tables[f"{source_metadata.schema}.{name}"]
    arrays, selects = {}, []
    for column in table.columns:
        values = [row.get(column.name) for row in rows]
        key = f"c.{column.name}"
        kind = column.type.compile(POSTGRESQL)
        if isinstance(column.type, String):
            arrays[column.name] = np.array(["" if v is None else str(v) for v in values], object)
            selects.append(f"nullif({key}, '')")
        elif isinstance(column.type, DateTime):
            arrays[column.name] = np.array([NO_TIME if v is None else int(v) for v in values], np.int64)
            selects.append(f"make_timestamptz(nullif({key}, {NO_TIME}))")
        elif isinstance(column.type, Boolean | Date):
            arrays[column.name] = np.array([-1 if v is None else int(v) for v in values], np.int64)
            selects.append(f"nullif({key}, -1)::{kind}")
        else:
            arrays[column.name] = np.array([math.nan if v is None else float(v) for v in values])
            selects.append(f"CASE WHEN isnan({key}) THEN NULL ELSE {key}::{kind} END")
    if rows:
        con.register("loading", arrays)
        con.execute(f"INSERT INTO {name} SELECT {', '.join(selects)} FROM loading c")  # noqa: S608
        con.unregister("loading")


def lookup(con: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """A table of equal columns with their position ``i``; text None becomes NULL."""
    arrays: dict[str, Any] = {}
    selects = []
    for column, values in columns.items():
        text = any(isinstance(v, str) for v in values)
        arrays[column] = np.array(["" if v is None else v for v in values], object) if text else np.array(values)
        selects.append(f"nullif({column}, '') AS {column}" if text else column)
    count = len(next(iter(columns.values())))
    arrays["i"] = np.arange(count, dtype=np.int32)
    con.register("loading", arrays)
    con.execute(f"CREATE TABLE {name} AS SELECT i, {', '.join(selects)} FROM loading")  # noqa: S608
    con.unregister("loading")
