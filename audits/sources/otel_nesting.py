"""One request, several spans: which span tells it.

A framework and the provider's library inside it both record a request, and both record its usage: the outer span
repeats the inner one's, or adds up several. So of two spans of which one lies in the other, and that ask for the same
kind of thing, the inner one is the request. A span that failed tells nothing of a request that succeeded around it.

Spans come in any order and in several files: a child ends before its parent, and is often exported before it. The
table ``otel_spans`` keeps which span lies in which, so that it does not matter which file is loaded first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    and_,
    case,
    column,
    delete,
    literal,
    or_,
    select,
)
from sqlalchemy import table as lightweight_table

from audits.sources.base import Waiting
from audits.warehouse.loading import append_new
from audits.warehouse.staging import stage
from audits.warehouse.tables import SOURCE_SCHEMA, usage_events

otel_spans = Table(
    "otel_spans",
    MetaData(schema=SOURCE_SCHEMA),
    Column("source_system", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("span_id", String, nullable=False),
    Column("parent_span_id", String, nullable=False),
)
"""Every span that has a parent, whatever it is of; beside the contract's tables, written and read by this source."""


@dataclass(frozen=True, slots=True)
class Spans:
    """What a batch says of how spans lie in each other, and the spans that wait for what others say."""

    system: str
    links: Sequence[tuple[str, str, str]]  # trace, span, parent span
    waiting: Sequence[Waiting]  # by "trace-span"

    def settle(self, connection: Connection, events: Sequence[str], arrival: datetime) -> tuple[int, int]:
        """Remember the links, and remove the events that enclose others from the batch's traces.

        ``events`` are the ids of the batch's events. Returns how many of those that arrived at ``arrival`` were
        removed, and how many that had been there before.
        """
        traces, spans, parents = zip(*self.links, strict=True) if self.links else ((), (), ())
        links = {"source_system": [self.system] * len(spans), "trace_id": traces, "span_id": spans}
        rows = pa.table(
            {name: pa.array(held, pa.string()) for name, held in {**links, "parent_span_id": parents}.items()}
        )
        append_new(connection, otel_spans, ("source_system", "trace_id", "span_id"), rows)
        touched = {*traces, *(event.removeprefix(f"{self.system}:").split("-", 1)[0] for event in events)}
        if not touched:
            return 0, 0
        within = _within(connection, self.system, touched)
        inner, outer = usage_events.alias("inner_event"), usage_events.alias("outer_event")
        found = connection.execute(
            select(outer.c.event_id, outer.c.ingested_ts)
            .select_from(within)
            .join(inner, inner.c.event_id == _event_id(self.system, within.c.trace_id, within.c.span_id))
            .join(outer, outer.c.event_id == _event_id(self.system, within.c.trace_id, within.c.around))
            .where(
                within.c.span_id != within.c.around,
                _asks(inner.c.operation) == _asks(outer.c.operation),
                or_(inner.c.status_code < 400, outer.c.status_code >= 400),
            )
            .distinct()
        ).all()
        if not found:
            return 0, 0
        stage(connection, "staged_rows", usage_events, pa.table({"event_id": pa.array([row[0] for row in found])}))
        staged = lightweight_table("staged_rows", column("event_id"))
        connection.execute(delete(usage_events).where(usage_events.c.event_id.in_(select(staged.c.event_id))))
        now = sum(row.ingested_ts == arrival for row in found)
        return now, len(found) - now

    def told_elsewhere(self, connection: Connection, waiting: Sequence[Waiting]) -> set[str]:
        """Those, as "trace-span", whose usage a request inside them tells, or one around them."""
        within = _within(connection, self.system, {span.identity.split("-", 1)[0] for span in waiting})
        event = usage_events.alias("event")

        def with_request(request: ColumnElement[str], other: ColumnElement[str]) -> set[str]:
            pairs = (
                select(within.c.trace_id + "-" + other)
                .join(event, event.c.event_id == _event_id(self.system, within.c.trace_id, request))
                .where(within.c.span_id != within.c.around)
            )
            return set(connection.scalars(pairs))

        inside = with_request(within.c.span_id, within.c.around)
        around = with_request(within.c.around, within.c.span_id)
        return {
            span.identity
            for span in waiting
            if span.identity in inside or (span.inside_too and span.identity in around)
        }


def _within(connection: Connection, system: str, traces: set[str]) -> CTE:
    """(trace, span, a span around it), at any depth, of the traces named."""
    stage(connection, "staged_traces", otel_spans, pa.table({"trace_id": pa.array(sorted(traces), pa.string())}))
    staged = lightweight_table("staged_traces", column("trace_id"))
    s = otel_spans.c
    first = select(s.trace_id, s.span_id, s.parent_span_id.label("around")).where(
        s.source_system == system, s.trace_id.in_(select(staged.c.trace_id))
    )
    within = first.cte("within", recursive=True)
    further = otel_spans.alias("further")
    return within.union(
        select(within.c.trace_id, within.c.span_id, further.c.parent_span_id).join(
            further,
            and_(
                further.c.source_system == system,
                further.c.trace_id == within.c.trace_id,
                further.c.span_id == within.c.around,
            ),
        )
    )


def _event_id(system: str, trace: ColumnElement[str], span: ColumnElement[str]) -> ColumnElement[str]:
    return literal(f"{system}:") + trace + "-" + span


def _asks(operation: ColumnElement[str]) -> ColumnElement[str]:
    """Chats and completions generate text alike: a framework's chat may be a library's completion."""
    return case((operation == "completion", "chat"), else_=operation)
