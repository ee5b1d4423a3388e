"""All limits of a rule and tier on the same days, as one row: where any of them changes, the next row begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from audits.policy.entries import Entry
from audits.policy.rows import LimitRow, Value
from audits.policy.timeline import cuts, open_end, span


def limit_rows(
    rules: Sequence[Entry], limits: Sequence[Entry], rank: Mapping[str, int]
) -> dict[str, tuple[LimitRow, ...]]:
    """Rows by rule, in order of the tiers' rank and of days.

    ``rules`` say when and for whom a rule is in force, ``limits`` (in order of their keys) give single values. A row
    stands only on days when the rule is in force for the tier and all of its limits have a value.
    """
    in_force: dict[str, list[Entry]] = {}
    for entry in rules:
        if entry.fields["status"] != "retired":
            in_force.setdefault(entry.key[1], []).append(entry)
    found: dict[str, list[LimitRow]] = {rule: [] for rule in in_force}
    for (rule, tier), group in groupby(limits, key=lambda entry: entry.key[1:3]):
        values = list(group)
        judged = [entry for entry in in_force.get(rule, ()) if tier in entry.fields["tiers"]]
        if judged:
            found[rule] += _rows(tier, values, judged)
    return {
        rule: tuple(sorted(rows, key=lambda row: (rank.get(row.tier, -1), row.from_day)))
        for rule, rows in found.items()
    }


def kept(row: LimitRow, edges: Iterable[date], holds: Callable[[date], bool]) -> list[LimitRow]:
    """The parts of a row on days for which ``holds`` is true; that changes at the edges only."""
    first, last = span(row.from_day, row.to_day)
    pieces: list[LimitRow] = []
    for a, b in cuts([(first, last), *((edge, edge) for edge in edges if first < edge < last)]):
        if holds(a):
            _append(pieces, LimitRow(row.tier, a, open_end(b), row.values))
    return pieces


def _rows(tier: str, limits: list[Entry], judged: list[Entry]) -> list[LimitRow]:
    names = {entry.key[3] for entry in limits}
    rows: list[LimitRow] = []
    for first, last in cuts(span(e.from_day, e.to_day) for e in (*limits, *judged)):
        values = {e.key[3]: _value(e.fields["value"]) for e in limits if e.holds(first)}
        if values.keys() == names and any(e.holds(first) for e in judged):
            _append(rows, LimitRow(tier, first, open_end(last), dict(sorted(values.items()))))
    return rows


def _append(rows: list[LimitRow], row: LimitRow) -> None:
    """Add a row, or lengthen the last one where nothing but the day changes."""
    last = rows[-1] if rows else None
    if last and last.tier == row.tier and last.to_day == row.from_day and last.values == row.values:
        rows[-1] = LimitRow(row.tier, last.from_day, row.to_day, row.values)
    else:
        rows.append(row)


def _value(value: Any) -> Value:
    plain: Value = tuple(value) if isinstance(value, list) else value
    return plain
