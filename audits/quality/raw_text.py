"""Keys, addresses and prompts in text columns, where they must not be: what is found is counted, and never read out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, func, literal, select

from audits.errors import AuditsError
from audits.quality.tables import quality_raw_text
from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day
from audits.warehouse.raw_text import OPAQUE, Kind, form_of
from audits.warehouse.raw_text_sql import RawText, find_raw_text, is_raw, kind_in
from audits.warehouse.tables import auth_events, source_metadata, usage_buckets, usage_events

SIGN_INS = auth_events.name
"""What stands for the source of ``auth_events``, which names none: a day of it is blocked under this name."""

FACTS: tuple[tuple[Table, str], ...] = (
    (usage_events, "event_ts"),
    (usage_buckets, "bucket_start"),
    (auth_events, "event_ts"),
)
"""The tables that are looked into a day at a time, and the instant that a row's day is taken from."""


@dataclass(frozen=True, slots=True)
class RawRows:
    """What a day of a source holds that it must not, and in how many rows."""

    found: tuple[RawText, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.found))


def count_raw_text(connection: Connection, days: Sequence[date]) -> dict[str, tuple[str, ...]]:
    """Replace what is recorded of the days, which are adjacent, and return table -> columns that hold raw text."""
    r = quality_raw_text
    connection.execute(r.delete().where(r.c.day.in_(days)))
    held: dict[str, tuple[str, ...]] = {}
    for table, at in FACTS:
        instant: Any = table.c[at]
        where = within(instant, days[0], days[-1])
        found = find_raw_text(connection, table, where=where)
        columns = tuple(dict.fromkeys(one.column for one in found))
        of_cards = {one.column for one in found if one.kind is Kind.card and form_of(one.column) in OPAQUE}
        held[table.name] = columns
        source: Any = table.c.source_system if "source_system" in table.c else literal(SIGN_INS)
        for name in columns:
            value, cards = table.c[name], name in of_cards
            kinds = (
                select(
                    utc_day(instant).label("day"),
                    source.label("source_system"),
                    literal(table.name).label("table_name"),
                    literal(name).label("column_name"),
                    kind_in(value, form_of(name), cards=cards).label("kind"),
                )
                .where(where, is_raw(value, form_of(name), cards=cards))
                .subquery("kinds")
            )
            rows = select(*kinds.c, func.count().label("n_rows")).group_by(*kinds.c)
            connection.execute(r.insert().from_select([column.name for column in rows.selected_columns], rows))
    return held


def raw_text_of(connection: Connection, first: date, last: date) -> dict[tuple[date, str], RawRows]:
    """(day, source) -> what is recorded of it, of those that hold any."""
    r = quality_raw_text.c
    found: dict[tuple[date, str], list[RawText]] = {}
    order = (r.day, r.source_system, r.table_name, r.column_name, r.kind)
    for row in connection.execute(select(quality_raw_text).where(r.day.between(first, last)).order_by(*order)):
        one = RawText(row.table_name, row.column_name, Kind(row.kind), int(row.n_rows))
        found.setdefault((row.day, row.source_system), []).append(one)
    return {one: RawRows(tuple(rows)) for one, rows in found.items()}


def require_no_raw_text(connection: Connection) -> None:
    """Refuse a warehouse whose tables without days of their own hold raw text: what they hold is in every answer."""
    daily = {table.name for table, _ in FACTS}
    tables = [table for table in source_metadata.sorted_tables if table.name not in daily]
    found = [one for table in sorted(tables, key=lambda one: one.name) for one in find_raw_text(connection, table)]
    if found:
        raise AuditsError(
            "The warehouse holds what must not be stored; nothing is audited before it is removed.\n"
            + "\n".join(f"  - {one}" for one in found),
            where=", ".join(dict.fromkeys(f"table {one.table}" for one in found)),
            fix="Replace these values by digests or remove them, then: audits doctor",
        )
