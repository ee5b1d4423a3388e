"""Loading a source into a warehouse: once per row however often it is run, nothing dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from audits.errors import AuditsError, PartialError
from audits.sources.base import KEYS, TOLD_AGAIN, UNMAPPED, Batch, SetAside, Source, Waiting, rejected_rows
from audits.sources.bucket_parts import write_buckets
from audits.sources.identity import begin_replacing, count_beside, keep, remove_others, require_one_identity
from audits.sources.privacy import unquoted
from audits.sources.rejects import Rejects, set_aside
from audits.warehouse import Warehouse
from audits.warehouse.bucket_overlaps import bucket_overlaps, shared_buckets
from audits.warehouse.failures import PartFailedError, failure
from audits.warehouse.fit import ESSENTIAL
from audits.warehouse.loading import remove, replace_changed, target
from audits.warehouse.scratch import scratch_folder
from audits.warehouse.tables import accounts, source_metadata, usage_buckets, usage_events


@dataclass(slots=True)
class LoadReport:
    """What a load did: ``read = loaded + already_there + ignored + the rejected``.

    ``already_there`` counts rows that an earlier load brought and copies within this one, ``replaced`` rows of earlier
    loads that this one corrected or withdrew, ``settled`` rows that earlier loads rejected and that fit now,
    ``conflicting`` rows that repeat another row's id with different content, the last of which counts, ``outdated``
    buckets of an earlier export than the one that is there, ``beside`` rows of earlier loads of a file's source between
    the times of its rows, where new rows came to stand beside them, ``removed`` those of them that were deleted because
    the files are to replace them. ``unknown_accounts`` are those of the read
    rows that the warehouse's table ``accounts`` does not have, with their rows; ``unmapped`` counts
    rows whose source names no account. ``not_recorded`` are the contract's columns that no row filled.
    """

    system: str
    table: str
    read: int = 0
    loaded: int = 0
    replaced: int = 0
    settled: int = 0
    conflicting: int = 0
    outdated: int = 0
    beside: int = 0
    removed: int = 0
    already_there: int = 0
    not_requests: Counter[str] = field(default_factory=Counter)  # kind -> rows
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)  # (column, reason) -> rows
    examples: dict[tuple[str, str], SetAside] = field(default_factory=dict)
    unmapped: int = 0
    unknown_accounts: dict[str, int] = field(default_factory=dict)
    not_recorded: tuple[str, ...] = ()
    empty: list[str] = field(default_factory=list)  # files without any row
    overlapping: list[str] = field(default_factory=list)  # what buckets of the read days overlap, in words
    shared: list[str] = field(default_factory=list)  # what buckets of the read days other sources have too, in words
    first: datetime | None = None
    last: datetime | None = None

    @property
    def ignored(self) -> int:
        """Rows that are known to be no requests."""
        return self.not_requests.total()

    @property
    def n_rejected(self) -> int:
        """Rows set aside."""
        return self.rejected.total()


def load(
    source: Source,
    warehouse_url: str,
    *,
    now: datetime,
    tell: Callable[[LoadReport], None] = lambda _: None,
    most: int | None = None,
    replace: bool = False,
) -> LoadReport:
    """Bring a source's rows into the contract's tables and set aside those that do not fit.

    A batch is one transaction; after a failure what was committed is kept, and the same load goes on. ``now`` is the
    arrival of rows whose source records none. ``tell`` hears of every batch. After ``most`` rows
    no further batch is read. With ``replace``, requests that the source had between the first and the last of these
    rows and has no more are removed, and the whole load is one transaction.

    The one command that writes to the contract's tables: it makes the one that it fills and, empty, those that no audit
    can do without. Others stay absent, which says that they are not recorded; an empty table would say that there is
    nothing.
    """
    report, seen = LoadReport(source.system, source.table.name), _Seen()
    needed = [table for table in source_metadata.sorted_tables if table.name in ESSENTIAL or table is source.table]
    with target(warehouse_url, [*needed, *source.own_tables, rejected_rows]) as warehouse:
        with warehouse.begin() as connection:
            newest = _newest(connection, source, now)
            rejects = Rejects.of(connection, source)
        with _kept(report, warehouse, whole=replace), _transactions(warehouse, whole=replace) as begin:
            batch: Batch | None = None
            for batch in source.batches(newest):
                rows = _with_arrival(source, batch.rows, now)
                with begin() as connection:
                    if replace:
                        keep(connection, rows)
                    elif batch.formed_otherwise:
                        require_one_identity(connection, source.system, rows, batch.formed_otherwise)
                    written = _write(connection, source, rows, batch.no_events)
                    again, earlier = _settle(connection, batch, now)
                    report.settled += rejects.settle(connection, batch)
                    set_aside(connection, source, batch.set_aside, now)
                _count(report, seen, batch, written)
                _count_told_again(report, again, earlier)
                seen.waiting += batch.nested.waiting if batch.nested else ()
                tell(report)
                if most is not None and report.read >= most:
                    break
            if batch is not None and batch.nested and seen.waiting:
                with begin() as connection:
                    told = batch.nested.told_elsewhere(connection, seen.waiting)
                    aside = [row.aside for row in seen.waiting if row.identity not in told]
                    report.settled += rejects.settle_told(
                        connection, [r.aside for r in seen.waiting if r.identity in told]
                    )
                    set_aside(connection, source, aside, now)
                report.not_requests.update(row.kind for row in seen.waiting if row.identity in told)
                _count_set_aside(report, aside)
            if report.first and report.last and batch is not None and batch.formed_otherwise:
                with begin() as connection:
                    if replace:
                        report.removed = remove_others(connection, source.system, report.first, report.last)
                    elif report.loaded > report.replaced:
                        loaded = report.first, report.last, seen.ids
                        report.beside = count_beside(connection, source.system, *loaded)
        report.unknown_accounts = _unknown_accounts(warehouse, seen.accounts)
        if source.table is usage_buckets and report.first and report.last:
            begun = usage_buckets.c.bucket_start.between(report.first, report.last)
            with warehouse.begin() as connection:
                of_source = usage_buckets.c.source_system == source.system
                report.overlapping = [str(one) for one in bucket_overlaps(connection, of_source, begun)]
                report.shared = [str(one) for one in shared_buckets(connection, begun) if source.system in one.pair]
    _conclude(report, seen, source)
    return report


def preview(source: Source, *, rows: int, now: datetime) -> LoadReport:
    """What a load of about ``rows`` rows into an empty warehouse would do; that warehouse is thrown away."""
    with scratch_folder() as folder:
        report = load(source, f"duckdb:///{folder}/preview.duckdb", now=now, most=rows)
    report.unknown_accounts = {}  # which accounts there are was not looked at
    return report


@dataclass(frozen=True, slots=True)
class _Written:
    """Rows of a batch that are new or changed, those of earlier loads that they replaced, and those left as they were
    because the batch has less than what is there.
    """

    loaded: int
    replaced: int
    outdated: int = 0
    conflicting: int = 0


def _write(connection: Connection, source: Source, rows: pa.Table, no_events: Sequence[str]) -> _Written:
    if "part" in rows.column_names:
        loaded, outdated = write_buckets(connection, rows)
        return _Written(loaded, 0, outdated)
    removed, key = remove(connection, usage_events, "event_id", no_events), KEYS[source.table.name]
    loaded, replaced = replace_changed(connection, source.table, key, rows, "ingested_ts")
    return _Written(loaded, replaced + removed, conflicting=_conflicting(rows, key))


def _conflicting(rows: pa.Table, key: Sequence[str]) -> int:
    """How many rows repeat another row's key with different content."""
    names = [name for name in key if name in rows.column_names]
    keys = rows.group_by(names).aggregate([]).num_rows if rows.num_rows else 0
    if keys == rows.num_rows:
        return 0
    said = [name for name in rows.column_names if name != "ingested_ts"]
    return int(rows.group_by(said).aggregate([]).num_rows - keys)


@dataclass(slots=True)
class _Seen:
    accounts: Counter[str] = field(default_factory=Counter)
    columns: set[str] = field(default_factory=set)
    waiting: list[Waiting] = field(default_factory=list)
    ids: int = 0  # of requests, those of one batch that are the same counted once


def _count(report: LoadReport, seen: _Seen, batch: Batch, written: _Written) -> None:
    report.read += batch.read
    report.empty += batch.empty
    report.loaded += written.loaded
    report.replaced += written.replaced
    report.outdated += written.outdated
    report.conflicting += written.conflicting
    report.already_there += batch.rows.num_rows - written.loaded
    report.not_requests.update(batch.ignored)
    _count_set_aside(report, batch.set_aside)
    if not batch.rows.num_rows:
        return
    seen.columns.update(name for name in batch.rows.column_names if batch.rows.column(name).null_count < batch.read)
    if "source_system" not in batch.rows.column_names:
        return  # customers, accounts and the like: no usage
    for count in pc.value_counts(batch.rows.column("account_id")).to_pylist():
        seen.accounts[count["values"]] += count["counts"]
    if batch.formed_otherwise:
        seen.ids += pc.count_distinct(batch.rows.column("event_id")).as_py()
    times = pc.min_max(batch.rows.column(_time_column(batch.rows))).as_py()
    report.first = min(times["min"], report.first or times["min"])
    report.last = max(times["max"], report.last or times["max"])


def _settle(connection: Connection, batch: Batch, now: datetime) -> tuple[int, int]:
    if batch.nested is None:
        return 0, 0
    events = batch.rows.column("event_id").to_pylist() if batch.rows.num_rows else []
    return batch.nested.settle(connection, events, now)


def _count_told_again(report: LoadReport, again: int, earlier: int) -> None:
    report.loaded -= again
    report.replaced += earlier
    if again:
        report.not_requests[TOLD_AGAIN] += again


def _count_set_aside(report: LoadReport, aside: Sequence[SetAside]) -> None:
    for entry in aside:
        kind = entry.reject.column, entry.reject.reason
        report.rejected[kind] += 1
        report.examples.setdefault(kind, entry)


def _conclude(report: LoadReport, seen: _Seen, source: Source) -> None:
    report.unmapped = seen.accounts[UNMAPPED]
    if report.read > report.n_rejected:
        report.not_recorded = tuple(c.name for c in source.table.c if c.name not in seen.columns | {"ingested_ts"})


def _time_column(rows: pa.Table) -> str:
    return "event_ts" if "event_ts" in rows.column_names else "bucket_start"


def _with_arrival(source: Source, rows: pa.Table, now: datetime) -> pa.Table:
    if not rows.num_rows or "ingested_ts" in rows.column_names or "ingested_ts" not in source.table.c:
        return rows
    instant = pa.scalar(now.astimezone(UTC), pa.timestamp("us", "UTC"))
    return rows.append_column("ingested_ts", pa.repeat(instant, rows.num_rows))


def _newest(connection: Connection, source: Source, now: datetime) -> datetime | None:
    """An event dated in the future must not make a resumed load skip everything until then: it does not count."""
    if source.table is not usage_events:
        return None
    e = usage_events.c
    newest: datetime | None = connection.scalar(
        select(func.max(e.event_ts)).where(e.source_system == source.system, e.event_ts <= now)
    )
    return newest


def _unknown_accounts(warehouse: Warehouse, seen: Counter[str]) -> dict[str, int]:
    with warehouse.begin() as connection:
        known = set(connection.scalars(select(accounts.c.account_id)))
    return {account: seen[account] for account in sorted(seen.keys() - known - {UNMAPPED})}


@contextmanager
def _transactions(
    warehouse: Warehouse, *, whole: bool
) -> Iterator[Callable[[], AbstractContextManager[Connection, bool | None]]]:
    """What begins the transaction of a batch; with ``whole`` it is one for all batches, which keeps their ids."""
    if not whole:
        yield warehouse.begin
        return
    with warehouse.begin() as connection:
        begin_replacing(connection)
        yield lambda: nullcontext(connection)


@contextmanager
def _kept(report: LoadReport, warehouse: Warehouse, *, whole: bool) -> Iterator[None]:
    """Say what is kept where a load breaks off after its first batch; of one that is ``whole``, nothing is."""
    try:
        yield
    except DBAPIError as error:
        if warehouse.part and (failed := failure(warehouse.part, error.orig or error)):
            raise failed from error
        kept = "Nothing was changed; put this right and run the same load again." if whole else (
            "The batches before it are kept; put this right and run the same load again, it goes on from there."
        )  # fmt: skip
        raise PartialError(
            f"A batch could not be written: {unquoted(str(error.orig).strip().splitlines()[0])}",
            where=f"table {report.table}, after {report.read:,} rows",
            fix=kept,
        ) from error
    except AuditsError as error:
        if whole or not report.read or isinstance(error, PartFailedError):
            raise
        raise PartialError(
            error.what,
            where=error.where,
            fix=f"{error.fix} The {report.loaded:,} rows loaded before are kept; the same load goes on from there.",
        ) from error
