"""A CSV or Parquet file with a mapping -> a table of the contract; set-based, by chunks of some 200,000 rows.

DuckDB converts each chunk in memory by one query that is written from the mapping; only rows that are set aside, texts
that are hashed and rows that occur more than once are ever looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Table

from audits.errors import AuditsError
from audits.features.hashing import Hasher
from audits.sources.base import Batch, Reject, SetAside, digest
from audits.sources.file_mapping import FileMapping
from audits.sources.file_reading import Chunk, read_file
from audits.sources.file_sql import Check, Conversion, conversion, whole_row
from audits.sources.identity import formed_otherwise, row_prefix
from audits.sources.privacy import redacted
from audits.warehouse.staging import arrow_type


@dataclass(frozen=True, slots=True)
class File:
    """CSV or Parquet files of one form and what their columns mean."""

    paths: Sequence[Path]
    mapping: FileMapping
    hasher: Hasher

    own_tables: ClassVar[tuple[Table, ...]] = ()

    @property
    def table(self) -> Table:
        """As the mapping says."""
        return self.mapping.table

    @property
    def system(self) -> str:
        """As the mapping says."""
        return self.mapping.system

    def batches(self, _newest: datetime | None) -> Iterator[Batch]:
        """The files' rows from the beginning; every row is recognised by its event id."""
        with duckdb.connect() as engine:
            self._in_zone(engine)
            repeated = self._repeated(engine) if self.mapping.identifies_by_row else []
            for path in self.paths:
                begun, occurrences = False, Counter[str]()  # files may overlap: equal rows of two files are the same
                for chunk in read_file(path, self.mapping):
                    ids = row_prefix(self.system, chunk.rows.schema) if self.mapping.identifies_by_row else None
                    query = conversion(self.mapping, chunk.rows.column_names, _numbers(chunk.rows), ids or "")
                    converted = _converted(engine, chunk, query)
                    if repeated:
                        converted = _told_apart(converted, repeated, occurrences)
                    rows = converted.filter(pc.equal(converted.column("failed"), 0))
                    if chunk.rows.num_rows and not begun:
                        self._refuse_if_one_thing_is_wrong(path, chunk, converted, query)
                        begun = True
                    aside = [*chunk.set_aside, *_set_aside(path, chunk, converted, query)]
                    read = chunk.rows.num_rows + len(chunk.set_aside)
                    yield Batch(
                        self._finished(rows), aside, read, no_events=self._no_events(converted),
                        fitting=partial(_fitting, path, chunk, converted),
                        formed_otherwise=formed_otherwise(self.system, ids) if "event_id" in self.table.c else None,
                    )  # fmt: skip

    def _no_events(self, converted: pa.Table) -> list[str]:
        """The ids of rows that are set aside, where the id is the row's content: no other row has it."""
        if not self.mapping.identifies_by_row:
            return []
        failed = converted.filter(pc.not_equal(converted.column("failed"), 0))
        ids: list[str] = failed.column("event_id").to_pylist()
        return ids

    def _in_zone(self, engine: duckdb.DuckDBPyConnection) -> None:
        zone = self.mapping.time_zone.replace("'", "''")
        try:
            engine.execute(f"SET TimeZone = '{zone}'")
        except duckdb.Error as error:
            raise AuditsError(
                f"There is no time zone {self.mapping.time_zone!r}.",
                where=f"{self.mapping.path} (time_zone)",
                fix="Name one of the IANA database, such as UTC or Europe/Berlin.",
            ) from error

    def _repeated(self, engine: duckdb.DuckDBPyConnection) -> list[int]:
        """The quick hashes of rows that occur more than once: 8 bytes a row are held while the file is read through."""
        engine.execute("CREATE TABLE hashes (row_hash UBIGINT)")
        for chunk in (chunk for path in self.paths for chunk in read_file(path, self.mapping)):
            engine.register("chunk", _numbered(chunk.rows))
            engine.execute(f"INSERT INTO hashes SELECT hash({whole_row(chunk.rows.column_names)}) FROM chunk")  # noqa: S608
        found = engine.execute("SELECT row_hash FROM hashes GROUP BY row_hash HAVING count(*) > 1").fetchall()
        engine.execute("DROP TABLE hashes")
        return [row_hash for (row_hash,) in found]

    def _refuse_if_one_thing_is_wrong(self, path: Path, chunk: Chunk, converted: pa.Table, query: Conversion) -> None:
        """Where a file's first rows all fail for one reason it is the mapping that is wrong, not they."""
        codes = pc.unique(converted.column("failed")).to_pylist()
        if len(codes) != 1 or codes == [0]:
            return
        check = query.checks[codes[0] - 1]
        looks = redacted(_held(check, chunk, 0))
        raise AuditsError(
            f"No row fits: {check.field.column or check.field.name!r} holds {check.reason}.",
            where=f"{self.mapping.where(check.field)} ({check.field.name}), file {path}",
            fix=f"Correct the mapping: the first value has the form {looks!r} (letters shown as x, digits as 9)"
            + ('; write time: "%d/%m/%Y %H:%M", unix_s, unix_ms or unix_us.' if "no time" in check.reason else "."),
        )

    def _finished(self, rows: pa.Table) -> pa.Table:
        """Contract columns in the contract's types, digests in the place of what is hashed."""
        hashes = {field.name: field.hash for field in self.mapping.fields if field.hash}
        columns = {}
        for column in self.mapping.table.c:
            if column.name in rows.column_names:
                values = rows.column(column.name).combine_chunks()
                if column.name in hashes:
                    values = _hashed(values, self.hasher, hashes[column.name])
                columns[column.name] = values.cast(arrow_type(column.type))
        return pa.table(columns)


def _numbers(rows: pa.Table) -> set[str]:
    """The columns that are numbers by their type."""
    types = pa.types
    return {
        column.name
        for column in rows.schema
        if types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type)
    }


def _numbered(rows: pa.Table) -> pa.Table:
    """Columns as c0, c1, ...: what a file calls them never becomes SQL."""
    return rows.rename_columns([f"c{number}" for number in range(rows.num_columns)])


def _converted(engine: duckdb.DuckDBPyConnection, chunk: Chunk, query: Conversion) -> pa.Table:
    engine.register("chunk", _numbered(chunk.rows))
    return engine.execute(query.sql, query.parameters).to_arrow_table()


def _set_aside(path: Path, chunk: Chunk, converted: pa.Table, query: Conversion) -> Iterator[SetAside]:
    codes = converted.column("failed").to_numpy()
    for row in codes.nonzero()[0].tolist():
        check = query.checks[codes[row] - 1]
        reject = Reject(check.field.column or check.field.name, check.reason, _held(check, chunk, row))
        content = chunk.rows.slice(row, 1).to_pylist()[0]
        yield SetAside(reject, f"{path.name}:{chunk.numbers[row]}", digest(content))


def _fitting(path: Path, chunk: Chunk, converted: pa.Table, positions: Collection[str]) -> Iterator[tuple[str, str]]:
    """Of some places, those whose rows fit, with the rows' digests."""
    codes = converted.column("failed")
    for row, number in enumerate(chunk.numbers):
        if (position := f"{path.name}:{number}") in positions and codes[row].as_py() == 0:
            yield position, digest(chunk.rows.slice(row, 1).to_pylist()[0])


def _held(check: Check, chunk: Chunk, row: int) -> Any:
    field = check.field
    return field.value if field.column is None else chunk.rows.column(field.column)[row].as_py()


def _told_apart(rows: pa.Table, repeated: list[int], occurrences: Counter[str]) -> pa.Table:
    """Equal rows of one file are different requests: from the second on their id ends in their number."""
    again = pc.is_in(rows.column("row_hash"), pa.array(repeated, pa.uint64())).to_numpy()
    if not again.any():
        return rows
    ids = rows.column("event_id").to_pylist()
    for row in again.nonzero()[0].tolist():
        occurrences[ids[row]] += 1
        if occurrences[ids[row]] > 1:
            ids[row] = f"{ids[row]}-{occurrences[ids[row]]}"
    return rows.set_column(rows.column_names.index("event_id"), "event_id", pa.array(ids, pa.string()))


def _hashed(values: pa.Array, hasher: Hasher, kind: str) -> pa.Array:
    encoded = values.dictionary_encode()
    digests: dict[str, Callable[[str], str | None]] = {
        "text": hasher.text,
        "address": hasher.address,
        "network": hasher.network,
    }
    distinct = [digests[kind](value) for value in encoded.dictionary.to_pylist()]
    return pa.array(distinct, pa.string()).take(encoded.indices)
