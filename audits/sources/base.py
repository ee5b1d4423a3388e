"""What every source has in common: rows that fit the contract, rows that are set aside, and the load itself."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
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
from audits.sources.times import instant_trouble, occurred_at, time_trouble
from audits.warehouse.staging import arrow_type
from audits.warehouse.tables import SOURCE_SCHEMA, Instant

UNMAPPED = "UNMAPPED"  # the account of a row whose source names none
BATCH_ROWS = 10_000
TOLD_AGAIN = "row around a request that another row tells"
_FACTS = ("usage_events", "bucket_parts")
BUCKET_KEY = ("source_system", "bucket_start", "bucket_end", "account_id", "api_key_hash", "model")
"""What makes two rows the same bucket; a later export of it replaces it."""

KEYS: dict[str, tuple[str, ...]] = {
    "usage_events": ("event_id",),
    "usage_buckets": BUCKET_KEY,
    "auth_events": ("auth_event_id",),
    "billed_usage": ("account_id", "usage_day", "model"),
    "customers": ("customer_id", "valid_from"),
    "accounts": ("account_id", "customer_id"),
    "account_tiers": ("account_id", "valid_from"),
    "api_keys": ("api_key_hash", "account_id"),
    "account_payments": ("account_id", "instrument_hash", "valid_from"),
    "payment_events": ("account_id", "event_ts", "event_type", "amount_usd"),
    "contracts": ("contract_id", "valid_from"),
    "models": ("model",),
    "territories": ("country", "valid_from"),
    "sanctions": ("list_name", "entry_id", "customer_id", "as_of"),
}
"""The contract's tables, and what makes two rows of each the same row; a later load of it replaces it."""

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
    Column("table_name", String),  # that its row was to fill
    Column("event_id", String),  # that its event would have, where the row says so
    Column("anchor", String),  # where a row near it stands, and that row's digest
    Column("occurred_at", Instant),  # when its request was made, where that can be read and no other day can be meant
)
"""Rows of a source that could not be loaded, in the warehouse beside the contract's tables; never their content."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row does not fit: ``reason`` reads after "the column holds", ``value`` is kept in its shape only."""

    column: str
    reason: str
    value: object = None


@dataclass(frozen=True, slots=True)
class NotRequest:
    """A row that is known to be no request to a model; ``kind`` is what it is counted as, never text of the row."""

    kind: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that is set aside: the reject, the row's place in its source and the digest of the row.

    ``event_id`` is that of the event that it would be, where the row says so; ``anchor`` the place and the digest of a
    row near it that fits, by which a corrected file is told from another one of its name. ``occurred_at`` is when its
    request was made, see :func:`audits.sources.times.occurred_at`.
    """

    reject: Reject
    position: str
    row_digest: str
    event_id: str | None = None
    anchor: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A row that an earlier load set aside, as :class:`SetAside` says it."""

    position: str
    row_digest: str
    reason: str
    event_id: str | None
    anchor: str | None


@dataclass(frozen=True, slots=True)
class Here:
    """What stands now where an earlier load rejected a row: its digest, why it is rejected (None: it fits), and which
    anchors of the earlier rejects at this place still hold.
    """

    row_digest: str
    reason: str | None
    anchors: Collection[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source: those that fit as an Arrow table of contract columns, and those set aside.

    ``read`` counts both and the ``ignored``, which are known to be no requests, by kind.
    """

    rows: pa.Table
    set_aside: Sequence[SetAside]
    read: int
    ignored: Mapping[str, int] = field(default_factory=dict)
    nested: Nested | None = None
    no_events: Sequence[str] = ()  # ids of rows that were read and make no event: what an earlier load made is removed
    empty: Sequence[str] = ()  # files without any row, by name
    no_requests: Sequence[str] = ()  # further ids of such rows, which are known to be no requests
    here: Callable[[Mapping[str, Sequence[Earlier]]], Iterator[tuple[Earlier, Here]]] = lambda _earlier: iter(())
    """Of earlier rejects by their place, those whose place is in this batch, and what stands there now."""
    formed_otherwise: Callable[[ColumnElement[Any]], ColumnElement[bool]] | None = None
    """Whether an event id was formed from other columns than those of these rows, where a file may do so."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row whose fate depends on others: it is set aside unless another row tells what it tells; then it is a
    ``kind`` of row that is no request. ``identity`` is what its source calls it.
    """

    identity: str
    aside: SetAside
    kind: str
    inside_too: bool = False  # told also by a row around it, not only by one inside


class Nested(Protocol):
    """How the rows of a batch lie in each other, of a source where one request may be told by several rows."""

    @property
    def waiting(self) -> Sequence[Waiting]:
        """The batch's rows that can only be judged when all are read."""

    def settle(self, connection: Connection, events: Sequence[str], arrival: datetime) -> tuple[int, int]:
        """Remove the events that tell a request again; how many that came at ``arrival``, and how many before."""

    def told_elsewhere(self, connection: Connection, waiting: Sequence[Waiting]) -> set[str]:
        """The identities of those whose request another row tells."""


class Source(Protocol):
    """Where usage comes from."""

    @property
    def system(self) -> str:
        """What ``source_system`` says of its rows."""

    @property
    def table(self) -> Table:
        """The contract's table that it fills."""

    @property
    def own_tables(self) -> tuple[Table, ...]:
        """Tables beside the contract's in which it keeps what it needs to know of earlier loads."""

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
        for name, value in row.items():
            if value is None:
                continue
            check = self._checks[name]
            if check is not None:
                reason = check(value)
                if reason:
                    return Reject(name, reason, value)
            elif type(value) is not str:
                return Reject(name, "no text", value)
            elif reason := trouble(name, value):
                return Reject(name, reason, value)
        return None

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
            return time_trouble if column.table.name in _FACTS else instant_trouble
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
    mapping: Callable[[Mapping[str, Any]], dict[str, Any] | Reject | NotRequest],
    columns: Columns,
    identity: Callable[[Mapping[str, Any]], str] | None = None,
    told_at: Callable[[Mapping[str, Any]], datetime | None] = occurred_at,
) -> Iterator[Batch]:
    """Map a stream of (position, row) one by one, and hand them on by the batch.

    ``mapping`` is a pure function, ``identity`` gives the id of the event that a row would be, ``told_at`` when it was
    made. ``columns`` has the last word on the events that are made. What could not even be read as a row comes in the
    stream as it is to be set aside.
    """
    events: list[dict[str, Any]] = []
    aside: list[SetAside] = []
    ignored: Counter[str] = Counter()
    no_events: list[str] = []
    read = 0
    for item in rows:
        read += 1
        if isinstance(item, SetAside):
            aside.append(item)
        else:
            position, row = item
            event = mapping(row)
            found = columns.trouble(event) if isinstance(event, dict) else event
            event_id = None if found is None or identity is None else identity(row)
            if event_id is not None:
                no_events.append(event_id)
            if isinstance(found, NotRequest):
                ignored[found.kind] += 1
            elif found is not None:
                aside.append(SetAside(found, position, digest(row), event_id, occurred_at=told_at(row)))
            elif isinstance(event, dict):
                events.append(event)
        if read == BATCH_ROWS:
            yield Batch(columns.arrow(events), aside, read, ignored, no_events=no_events)
            events, aside, ignored, no_events, read = [], [], Counter(), [], 0
    if read:
        yield Batch(columns.arrow(events), aside, read, ignored, no_events=no_events)


def digest(row: object) -> str:
    """SHA-256 of a row, whatever it holds; equal rows have equal digests."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()
