"""Reading CSV and Parquet files by the chunk, in memory that does not grow with the file."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from audits.errors import AuditsError
from audits.sources.base import Reject, SetAside, digest
from audits.sources.file_mapping import FileMapping
from audits.sources.recoding import MARK, AsUtf8, is_decoded
from audits.warehouse.raw_text import Form, kind_of

_PARQUET = frozenset({".parquet", ".pq"})
_CSV_BLOCK = 16 << 20  # bytes; some 200,000 rows, from which on DuckDB writes a batch into its file at once
_PARQUET_ROWS = 200_000
_SAY_ENCODING = "Where it is not UTF-8, say so in the mapping (encoding: latin-1); else export the file again."
_CORRECT = "Correct the mapping, or the file's header."
_HEADER = re.compile(r"\s*[^\W\d][\w .()/%-]{0,63}", re.UNICODE)  # a name, not a number, a time or an address
_UNCLOSED = "a line break in the file's last record: a quote may be opened and never closed"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a file, all columns, with their positions; and what could not be read as a row."""

    rows: pa.Table
    numbers: Sequence[int]  # record of the file, the header of a CSV being 1
    set_aside: Sequence[SetAside]


def read_file(path: Path, mapping: FileMapping) -> Iterator[Chunk]:
    """The file's rows in order. Parquet by its suffix, everything else as CSV with a header, compressed or not.

    A file of no bytes or of white space has no rows, as one of a header only.
    Raises AuditsError where the file is missing, is not what its name says, or lacks a column of the mapping.
    """
    if not path.is_file():
        raise AuditsError(f"There is no file {path}.", where="the source", fix="Check the path.")
    if not path.stat().st_size:
        return
    chunks = _parquet(path, mapping) if path.suffix in _PARQUET else _csv(path, mapping)
    try:
        yield from chunks
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, PermissionError):
            raise
        raise AuditsError(
            "The file cannot be read to its end: it is cut short or damaged.", where=str(path),
            fix="Fetch it again, and load it again.",
        ) from None  # fmt: skip
    except (pa.ArrowInvalid, UnicodeError):
        # What the library says quotes the row, which is shown to nobody.
        raise AuditsError(
            f"The file cannot be read as {'Parquet' if path.suffix in _PARQUET else mapping.encoding}.",
            where=str(path),
            fix=_SAY_ENCODING,
        ) from None


def _parquet(path: Path, mapping: FileMapping) -> Iterator[Chunk]:
    with pa.parquet.ParquetFile(path) as file:
        _need(mapping, file.schema_arrow.names, path)
        wanted = None if mapping.identifies_by_row else list(mapping.columns)
        first = 1
        for batch in file.iter_batches(_PARQUET_ROWS, columns=wanted):
            yield Chunk(pa.Table.from_batches([batch]), range(first, first + batch.num_rows), ())
            first += batch.num_rows


def _csv(path: Path, mapping: FileMapping) -> Iterator[Chunk]:
    names = _header(path, mapping)
    if names is None:
        return
    _need(mapping, names, path)
    told_names = None if mapping.header else names
    invalid: list[Any] = []  # every record so far that has too few or too many fields

    def skip(row: Any) -> str:
        invalid.append(row)
        return "skip"

    recoded = AsUtf8(path, mapping.encoding)
    reader = pa.csv.open_csv(
        pa.PythonFile(io.BufferedReader(recoded, _CSV_BLOCK), mode="r"),
        read_options=pa.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False, column_names=told_names),
        parse_options=pa.csv.ParseOptions(
            delimiter=mapping.delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=False
        ),
    )
    record, told = (
        2 if mapping.header else 1,
        0,
    )  # the next record's number, and how many of the invalid ones were handed on
    pending = Chunk(reader.schema.empty_table(), (), ())
    for batch in reader:
        yield pending
        numbers, record = _numbers(batch.num_rows, record, {row.number for row in invalid[told:]})
        pending = Chunk(pa.Table.from_batches([batch]), numbers, [_invalid(path, row) for row in invalid[told:]])
        if recoded.damaged:
            pending = _without_damaged(path, pending, mapping.encoding)
        told = len(invalid)
    after = [_invalid(path, row) for row in invalid[told:]]
    last = _without_unclosed(path, pending)
    yield Chunk(last.rows, last.numbers, [*last.set_aside, *after])


def _numbers(count: int, first: int, left_out: set[int]) -> tuple[Sequence[int], int]:
    """The numbers of ``count`` records from ``first`` on without those left out, and the next one."""
    if not left_out:
        return range(first, first + count), first + count
    numbers: list[int] = []
    while len(numbers) < count or first in left_out:
        if first not in left_out:
            numbers.append(first)
        first += 1
    return numbers, first


def _invalid(path: Path, row: Any) -> SetAside:
    reason = f"{row.actual_columns} fields instead of {row.expected_columns}"
    return SetAside(Reject("line", reason), f"{path.name}:{row.number}", digest(row.text))


def _without_damaged(path: Path, chunk: Chunk, encoding: str) -> Chunk:
    """Set rows aside that have bytes which the encoding does not have. Where every row has, the encoding is wrong."""
    rows = chunk.rows
    marked = {name: pc.match_substring(rows.column(name), MARK).to_numpy() for name in rows.column_names}
    damaged = np.logical_or.reduce([*marked.values()])
    if not damaged.any():
        return chunk
    if damaged.all():
        raise UnicodeError
    reason, aside = f"bytes that are not {encoding} (another `encoding` is said in the mapping)", list(chunk.set_aside)
    for row in np.flatnonzero(damaged).tolist():
        column = next(name for name, here in marked.items() if here[row])
        content = digest(rows.slice(row, 1).to_pylist()[0])
        aside.append(SetAside(Reject(column, reason), f"{path.name}:{chunk.numbers[row]}", content))
    kept = np.flatnonzero(~damaged)
    return Chunk(rows.take(kept), [chunk.numbers[row] for row in kept.tolist()], aside)


def _without_unclosed(path: Path, chunk: Chunk) -> Chunk:
    """A quote that is never closed swallows the rest of the file into one field: that record is no row."""
    if not chunk.rows.num_rows:
        return chunk
    count = chunk.rows.num_rows - 1
    last = chunk.rows.slice(count).to_pylist()[0]
    if not any("\n" in value for value in last.values()):
        return chunk
    aside = SetAside(Reject("line", _UNCLOSED), f"{path.name}:{chunk.numbers[count]}", digest(last))
    return Chunk(chunk.rows.slice(0, count), chunk.numbers[:count], [*chunk.set_aside, aside])


def _header(path: Path, mapping: FileMapping) -> list[str] | None:
    """The names of the columns, or None where the file holds nothing."""
    encoding = "utf-8-sig" if mapping.encoding.lower() in {"utf-8", "utf8"} else mapping.encoding
    errors = "surrogateescape"  # of the rows after it, which are looked at one by one
    try:
        with io.TextIOWrapper(pa.input_stream(path), encoding=encoding, errors=errors, newline="") as text:
            names = next(csv.reader(text, delimiter=mapping.delimiter), None)
            blank = not any(name.strip() for name in names or ())
            if blank and not any(line.strip() for line in text):
                return None
        if not all(map(is_decoded, names or ())):
            raise UnicodeError
    except (LookupError, UnicodeError) as error:
        what = "there is no such encoding" if isinstance(error, LookupError) else "it has other bytes"
        raise AuditsError(
            f"The file cannot be read as {mapping.encoding}: {what}.", where=str(path), fix=_SAY_ENCODING
        ) from None
    if blank or not names:
        fix = "Export it again, with its header in the first line."
        raise AuditsError("The file's first line is empty.", where=str(path), fix=fix)
    return names if mapping.header else [str(position) for position in range(1, len(names) + 1)]


def _other_delimiter(column: str, names: Sequence[str]) -> str:
    """What divides a first line that was read as one column, where a column of the mapping stands in it."""
    marks = (mark for mark in ",;\t|" if len(names) == 1 and column in names[0].split(mark))
    return next((mark for mark in marks if mark in names[0]), "")


def _need(mapping: FileMapping, names: Sequence[str], path: Path) -> None:
    """Every column that the mapping names must be there, once. What the first line holds is printed only where it is
    close to what the mapping names: in a file without a header it is content.
    """
    for field in mapping.fields:
        if field.column is None or names.count(field.column) == 1:
            continue
        where = f"{mapping.where(field)} ({field.name}), file {path}"
        if mark := _other_delimiter(field.column, names):
            raise AuditsError(
                f"The first line is divided by {mark!r}, and the mapping says {mapping.delimiter!r}.",
                where=where,
                fix=f"Write `delimiter: {json.dumps(mark)}` in the mapping.",
            )
        if field.column in names:
            raise AuditsError(f"The file has several columns {field.column!r}.", where=where, fix=_CORRECT)
        if not mapping.header:
            raise AuditsError(
                f"The file has {len(names)} columns and no header, so none is {field.column!r}.",
                where=where,
                fix=f"Name a column by its position, 1 to {len(names)}.",
            )
        if not all(_HEADER.fullmatch(name) and kind_of(name, Form.name) is None for name in names):
            raise AuditsError(
                f"The file has no column {field.column!r}, and its first line is no header.",
                where=where,
                fix="Write `header: false` in the mapping and name the columns by their position, from 1.",
            )
        raise AuditsError(
            f"The file has no column {field.column!r}{_near(field.column, names) or '.'}",
            where=where,
            fix=f"{_CORRECT} If the first line is no header, write `header: false` and name columns by position.",
        )


def _near(column: str, names: Sequence[str]) -> str:
    """The name that was meant, where one is close; no others: without a header they are the cells of the first row."""
    close = get_close_matches(column.casefold(), [name.casefold() for name in names], 1, 0.75)
    found = next((name for name in names if close and name.casefold() == close[0]), "")
    return f"; did you mean {found!r}?" if found and kind_of(found, Form.name) is None else ""
