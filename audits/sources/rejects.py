"""Rows that were set aside, in the table ``rejected_rows``, and what takes one away again.

A reject is gone when its row fits: with the same content by a corrected mapping, under the same event id, or at the
same place of a file that is otherwise the same there (a row nearby that fits, the anchor, stands where it stood).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, and_, column, delete, exists, or_, select
from sqlalchemy import table as lightweight_table

from audits.sources.base import Batch, Earlier, SetAside, Source, rejected_rows
from audits.sources.privacy import place_of, redacted
from audits.warehouse.loading import append_new
from audits.warehouse.staging import stage

_KEY = ("source_system", "table_name", "reason", "row_digest")  # wherever it stands: exports overlap
_ONE = ("position", "row_digest", "reason")


def set_aside(connection: Connection, source: Source, aside: Sequence[SetAside], now: datetime) -> None:
    """Record the rows that do not fit, each content and reason once; the time of one from before times were kept is
    kept now.
    """
    texts = {
        "source_system": [source.system] * len(aside),
        "table_name": [source.table.name] * len(aside),
        "position": [entry.position for entry in aside],
        "reason": [entry.reject.reason for entry in aside],
        "column_name": [entry.reject.column for entry in aside],
        "redacted_value": [None if (v := entry.reject.value) is None else redacted(v) for entry in aside],
        "row_digest": [entry.row_digest for entry in aside],
        "event_id": [None if entry.event_id is None else place_of(entry.event_id) for entry in aside],
        "anchor": [entry.anchor for entry in aside],
    }
    rows = pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()})
    instant = pa.timestamp("us", "UTC")
    rows = rows.append_column("loaded_at", pa.array([now] * len(aside), instant))
    rows = rows.append_column("occurred_at", pa.array([entry.occurred_at for entry in aside], instant))
    if told := rows.filter(rows.column("occurred_at").is_valid()):
        stage(connection, "told", rejected_rows, told.select(_KEY))
        t, r = lightweight_table("told", *map(column, _KEY)).c, rejected_rows.c
        same = exists(select(t.reason).where(*(t[name] == r[name] for name in _KEY)))
        connection.execute(delete(rejected_rows).where(r.occurred_at.is_(None), same))
    append_new(connection, rejected_rows, _KEY, rows)


@dataclass(frozen=True, slots=True)
class Rejects:
    """What earlier loads of a source rejected, of rows of one table: a file may fill several."""

    source: Source
    by_position: Mapping[str, Sequence[Earlier]]
    by_event: Mapping[str, Sequence[Earlier]]

    @classmethod
    def of(cls, connection: Connection, source: Source) -> Rejects:
        """Those that the table has before a load begins."""
        r = rejected_rows.c
        columns = (r.position, r.row_digest, r.reason, r.event_id, r.anchor)
        by_position: dict[str, list[Earlier]] = {}
        by_event: dict[str, list[Earlier]] = {}
        of_table = or_(r.table_name == source.table.name, r.table_name.is_(None))
        for row in connection.execute(select(*columns).where(r.source_system == source.system, of_table)):
            one = Earlier(*row)
            by_position.setdefault(one.position, []).append(one)
            if one.event_id is not None:
                by_event.setdefault(one.event_id, []).append(one)
        return cls(source, by_position, by_event)

    def settle(self, connection: Connection, batch: Batch) -> int:
        """Remove the rejects of rows that fit now, and of those that are rejected otherwise now.

        Returns how many fit now.
        """
        if not self.by_position:
            return 0
        fitting, otherwise = set(self._with_ids_that_fit(batch)), set(self._rejected_otherwise(batch.set_aside))
        for one, here in batch.here(self.by_position):
            same_row = here.row_digest == one.row_digest
            if not same_row and (one.anchor is None or one.anchor not in here.anchors):
                continue
            if here.reason is None:
                fitting.add(one)
            elif not same_row or here.reason != one.reason:
                otherwise.add(one)
        self._remove(connection, fitting | otherwise)
        return len(fitting)

    def settle_told(self, connection: Connection, told: Sequence[SetAside]) -> int:
        """Remove the rejects of rows whose request another row tells now; how many there were."""
        found = {one for row in told for one in self.by_event.get(row.event_id or "", ())}
        self._remove(connection, found)
        return len(found)

    def _with_ids_that_fit(self, batch: Batch) -> Iterator[Earlier]:
        """Those of rows that are events now, or no requests, and that no row of the batch is rejected under again."""
        if not self.by_event:
            return
        now = {*batch.no_events, *batch.no_requests}
        if "event_id" in batch.rows.column_names:
            ids = batch.rows.column("event_id")
            now.update(ids.filter(pc.is_in(ids, pa.array(self.by_event, pa.string()))).to_pylist())
        waiting = batch.nested.waiting if batch.nested else ()
        now -= {entry.event_id for entry in (*batch.set_aside, *(row.aside for row in waiting)) if entry.event_id}
        for event in now:
            yield from self.by_event.get(event, ())

    def _rejected_otherwise(self, aside: Sequence[SetAside]) -> Iterator[Earlier]:
        again: dict[str, set[tuple[str, str]]] = {}
        for entry in aside:
            if entry.event_id is not None:
                again.setdefault(place_of(entry.event_id), set()).add((entry.reject.reason, entry.row_digest))
        for event, rejected in again.items():
            yield from (one for one in self.by_event.get(event, ()) if (one.reason, one.row_digest) not in rejected)

    def _remove(self, connection: Connection, rejects: Collection[Earlier]) -> None:
        if not rejects:
            return
        held: dict[str, list[Any]] = {name: [getattr(one, name) for one in rejects] for name in _ONE}
        rows = pa.table({name: pa.array(values, pa.string()) for name, values in held.items()})
        stage(connection, "settled", rejected_rows, rows)
        s, r = lightweight_table("settled", *map(column, _ONE)).c, rejected_rows.c
        same = and_(*(s[name] == r[name] for name in _ONE))
        of_table = or_(r.table_name == self.source.table.name, r.table_name.is_(None))
        settled = (r.source_system == self.source.system, of_table, exists(select(s.reason).where(same)))
        connection.execute(delete(rejected_rows).where(*settled))
