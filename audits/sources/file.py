"""A CSV or Parquet file with a mapping -> a table of the contract; set-based, by chunks of some 200,000 rows.

DuckDB converts each chunk in memory by one query that is written from the mapping; only rows that are set aside, texts
that are hashed and rows that occur more than once are ever looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Table

from audits.errors import AuditsError
from audits.features.hashing import Hasher
from audits.sources.base import Batch, Earlier, Here, Reject, SetAside, digest
from audits.sources.file_mapping import FileMapping
from audits.sources.file_reading import Chunk, read_file
from audits.sources.file_sql import Check, Conversion, conversion, whole_row
from audits.sources.identity import formed_otherwise, row_prefix
from audits.sources.privacy import redacted
from audits.sources.times import occurred_at
from audits.warehouse.staging import arrow_type

_EPOCH, _FAR = datetime(1970, 1, 1, tzinfo=UTC), 1 << 52  # microseconds, some 140 years
_ANCHOR = 16  # characters of a digest by which a row near a reject is known again


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
                begun, read = False, 0
                occurrences = Counter[str]()  # files may overlap: equal rows of two files are the same
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
                    aside = [*_with_anchors(path, chunk, converted), *self._set_aside(path, chunk, converted, query)]
                    count = chunk.rows.num_rows + len(chunk.set_aside)
                    read += count
                    yield Batch(
                        self._finished(rows), aside, count, no_events=self._no_events(converted),
                        here=partial(_here, path, chunk, converted, aside),
                        formed_otherwise=formed_otherwise(self.system, ids) if "event_id" in self.table.c else None,
                    )  # fmt: skip

                if not read:
                    yield Batch(pa.table({}), (), 0, empty=[path.name])

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

    def _set_aside(self, path: Path, chunk: Chunk, converted: pa.Table, query: Conversion) -> Iterator[SetAside]:
        """The rows that do not fit; those that no id of their own tells apart have an anchor."""
        codes = converted.column("failed").to_numpy()
        fitting = np.flatnonzero(codes == 0)
        ids = converted.column("event_id") if "event_id" in converted.column_names else None
        for row in codes.nonzero()[0].tolist():
            check = query.checks[codes[row] - 1]
            reject = Reject(check.field.column or check.field.name, check.reason, _held(check, chunk, row))
            event_id = None if ids is None else ids[row].as_py()
            known = event_id is not None and not self.mapping.identifies_by_row and check.field.name != "event_id"
            anchor = None if known else _anchor(path, chunk, fitting, row)
            told_at = self._told_at(converted, row)
            yield SetAside(reject, f"{path.name}:{chunk.numbers[row]}", _digest(chunk, row), event_id, anchor, told_at)

    def _told_at(self, converted: pa.Table, row: int) -> datetime | None:
        """When the use was that a row tells of; of customers, contracts and the like no day says what they concern."""
        if self.table.name not in {"usage_events", "usage_buckets", "auth_events"}:
            return None
        times = {}
        for name in {"event_ts", "bucket_start", "bucket_end"} & set(converted.column_names):
            microseconds = converted.column(name)[row].cast(pa.int64()).as_py()
            near = microseconds is not None and abs(microseconds) < _FAR
            times[name] = _EPOCH + timedelta(microseconds=microseconds) if near else None
        return occurred_at(times)

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


def _with_anchors(path: Path, chunk: Chunk, converted: pa.Table) -> Iterator[SetAside]:
    """What could not be read as a row, with its anchor."""
    fitting = np.flatnonzero(converted.column("failed").to_numpy() == 0)
    for aside in chunk.set_aside:
        row = bisect_left(chunk.numbers, int(aside.position.rpartition(":")[2]))
        yield replace(aside, anchor=_anchor(path, chunk, fitting, row))


def _anchor(path: Path, chunk: Chunk, fitting: np.ndarray[Any, Any], row: int) -> str | None:
    """The place and digest of the last row before ``row`` that fits, or else of the first one after it."""
    if not fitting.size:
        return None
    before = int(np.searchsorted(fitting, row)) - 1
    near = int(fitting[max(before, 0)])
    return f"{path.name}:{chunk.numbers[near]} {_digest(chunk, near)[:_ANCHOR]}"


def _digest(chunk: Chunk, row: int) -> str:
    return digest(chunk.rows.slice(row, 1).to_pylist()[0])


def _here(
    path: Path, chunk: Chunk, converted: pa.Table, aside: Sequence[SetAside], earlier: Mapping[str, Sequence[Earlier]]
) -> Iterator[tuple[Earlier, Here]]:
    """Of earlier rejects, those whose place is in the chunk, and what stands there now."""
    codes = converted.column("failed")
    place = {number: row for row, number in enumerate(chunk.numbers)}
    rejected = {entry.position: entry for entry in aside}

    def holds(anchor: str) -> bool:
        at, _, content = anchor.rpartition(" ")
        row = place.get(_number(at)) if at.startswith(f"{path.name}:") else None
        return row is not None and _digest(chunk, row)[:_ANCHOR] == content

    for position, rejects in earlier.items():
        row = place.get(_number(position)) if position.startswith(f"{path.name}:") else None
        now = rejected.get(position)
        if now is None and (row is None or codes[row].as_py() != 0):
            continue
        anchors = {one.anchor for one in rejects if one.anchor is not None and holds(one.anchor)}
        held = (
            Here(now.row_digest, now.reject.reason, anchors) if now else Here(_digest(chunk, row or 0), None, anchors)
        )
        yield from ((one, held) for one in rejects)


def _number(position: str) -> int:
    """The number of a record in its place; -1 where that is none of a file's."""
    number = position.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() else -1


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
