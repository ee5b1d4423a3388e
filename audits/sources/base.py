"""What every source has in common: rows that fit the contract, rows that are set aside, and the load itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
)

from audits.sources.privacy import trouble
from audits.warehouse.staging import arrow_type
from audits.warehouse.tables import SOURCE_SCHEMA, Instant

UNMAPPED = "UNMAPPED"  # the account of a row whose source names none
BATCH_ROWS = 10_000
BUCKET_KEY = ("source_system", "bucket_start", "bucket_end", "account_id", "api_key_hash", "model")
"""What makes two rows the same bucket; a later export of it replaces it."""

rejected_rows = Table(
    "rejected_rows",
    MetaData(schema=SOURCE_SCHEMA),
    Column("source_system", String, nullable=False),
    Column("position", String, nullable=False),  # file and line, or the row's id in its table
    Column("reason", String, nullable=False),
    Column("column_name", String, nullable=False),
    Column("redacted_value", String),  # its shape: letters as x, digits as 9
    Column("row_digest", String, nullable=False),  # SHA-256 of the row, so that the same row is recognised
    Column("loaded_at", Instant, nullable=False),
)
"""Rows of a source that could not be loaded, in the warehouse beside the contract's tables; never their content."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row does not fit: ``reason`` reads after "the column holds", ``value`` is kept in its shape only."""

    column: str
    reason: str
    value: object = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that is set aside: the reject, the row's place in its source and the digest of the row."""

    reject: Reject
    position: str
    row_digest: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source: those that fit as an Arrow table of contract columns, and those set aside.

    ``read`` counts both and the ``ignored``, which are no requests at all (a span of another kind, say).
    """

    rows: pa.Table
    set_aside: Sequence[SetAside]
    read: int
    ignored: int = 0


class Source(Protocol):
    """Where usage comes from."""

    @property
    def system(self) -> str:
        """What ``source_system`` says of its rows."""

    @property
    def table(self) -> Table:
        """The contract's table that it fills."""

    def batches(self, newest: datetime | None) -> Iterator[Batch]:
        """The source's rows, each transaction's worth at a time.

        ``newest`` is the newest event of this source that the warehouse has; a source that can resume starts there.
        """


@dataclass(frozen=True, slots=True)
class Columns:
    """A contract table's columns as one row of a source must fill them."""

    table: Table
    _checks: Mapping[str, Callable[[Any], str | None] | None] = field(repr=False)
    _required: tuple[str, ...]

    @classmethod
    def of(cls, table: Table) -> Columns:
        """The columns of a table; ``ingested_ts`` may be left to the load."""
        required = tuple(c.name for c in table.c if not c.nullable and c.name != "ingested_ts")
        return cls(table, {c.name: _check_for(c) for c in table.c}, required)

    def trouble(self, row: Mapping[str, Any]) -> Reject | None:
        """What in a row does not fit the contract, or None."""
        for name in self._required:
            if row.get(name) is None:
                return Reject(name, "nothing, but is required")
        texts: list[str] = []
        for name, value in row.items():
            if value is None:
                continue
            check = self._checks[name]
            if check is not None:
                reason = check(value)
                if reason:
                    return Reject(name, reason, value)
            elif type(value) is str:
                texts.append(value)
            else:
                return Reject(name, "no text", value)
        if trouble("\n".join(texts)) is None:  # one look at all of them: what is wrong with one is wrong with the whole
            return None
        return next(
            (
                Reject(name, reason, value)
                for name, value in row.items()
                if isinstance(value, str) and (reason := trouble(value))
            ),
            None,
        )

    def arrow(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as an Arrow table of those columns that any of them fills."""
        names = {name for row in rows for name, value in row.items() if value is not None}
        return pa.table(
            {
                column.name: pa.array([row.get(column.name) for row in rows], arrow_type(column.type))
                for column in self.table.c
                if column.name in names
            }
        )


def _check_for(column: Column[Any]) -> Callable[[Any], str | None] | None:
    """What a value of the column must be; None for texts, which are looked at together."""
    match column.type:
        case Boolean():
            return lambda value: None if isinstance(value, bool) else "no truth value"
        case DateTime():
            return lambda value: None if isinstance(value, datetime) and value.tzinfo else "no time"
        case SmallInteger():
            return _whole_number(15)
        case BigInteger():
            return _whole_number(63)
        case Integer():
            return _whole_number(31)
        case Float():  # a kind of Numeric, so it comes first; the contract's are scores
            return lambda value: None if type(value) in {int, float} and 0 <= value <= 1 else "no score from 0 to 1"
        case Numeric() as number:
            return _decimal_below(10 ** ((number.precision or 18) - (number.scale or 0)))
        case _:
            return None


def _whole_number(bits: int) -> Callable[[Any], str | None]:
    limit = 1 << bits

    def check(value: Any) -> str | None:
        if type(value) is not int:
            return "no whole number"
        return None if -limit <= value < limit else "a number out of range"

    return check


def _decimal_below(limit: int) -> Callable[[Any], str | None]:
    return lambda value: (
        None if isinstance(value, Decimal) and value.is_finite() and abs(value) < limit else "no amount"
    )


def dollars(value: float | str | None) -> Decimal | None:
    """An amount as the contract stores it, with eight decimals; what is no amount comes back as NaN and is refused."""
    if value is None:
        return None
    try:
        return Decimal(str(value)).quantize(Decimal("1e-8"))
    except InvalidOperation:
        return Decimal("NaN")


def mapped_batches(
    rows: Iterable[tuple[str, Mapping[str, Any]] | SetAside],
    mapping: Callable[[Mapping[str, Any]], dict[str, Any] | Reject | None],
    columns: Columns,
) -> Iterator[Batch]:
    """Map a stream of (position, row) one by one, and hand them on by the batch.

    ``mapping`` is a pure function; it returns None for a row that is no request. ``columns`` has the last word. What
    could not even be read as a row comes in the stream as it is to be set aside.
    """
    events: list[dict[str, Any]] = []
    aside: list[SetAside] = []
    read = ignored = 0
    for item in rows:
        read += 1
        if isinstance(item, SetAside):
            aside.append(item)
        else:
            position, row = item
            event = mapping(row)
            found = columns.trouble(event) if isinstance(event, dict) else event
            if found is not None:
                aside.append(SetAside(found, position, digest(row)))
            elif isinstance(event, dict):
                events.append(event)
            else:
                ignored += 1
        if read == BATCH_ROWS:
            yield Batch(columns.arrow(events), aside, read, ignored)
            events, aside, read, ignored = [], [], 0, 0
    if read:
        yield Batch(columns.arrow(events), aside, read, ignored)


def digest(row: object) -> str:
    """SHA-256 of a row, whatever it holds; equal rows have equal digests."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()
