"""From measurements of some weeks to a proposal: no limit lies within what nearly all benign accounts or groups do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby

import numpy as np
from sqlalchemy import Connection

from audits.calibration.measure import Measurement, furthest, measure
from audits.calibration.pieces import pieces_for
from audits.calibration.result import Calibration, LimitFigure
from audits.errors import AuditsError
from audits.periods import Period
from audits.policy import Book, policy_changes
from audits.policy.edit import with_limit_from
from audits.policy.kinds import KINDS
from audits.rollups.state import days_not_rolled_up, newest_day
from audits.rules.engine.asking import first_day_of, prepare_asking
from audits.rules.engine.base import Measured, Rule
from audits.warehouse import Warehouse
from audits.warehouse.own import has_own_tables

QUANTILE = 0.995
FEW = round(1 / (1 - QUANTILE))
"""Accounts below which the percentile is little less than the largest of them."""

_WEEK = 7  # days
_SCALE = 10_000  # a limit that is no whole number has four decimals
Key = tuple[str, str]
"""Rule and limit."""


def calibrate(
    warehouse: Warehouse,
    book: Book,
    rules: Mapping[str, Rule],
    suspects: frozenset[str],
    *,
    weeks: int,
    until: date | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Measure the weeks that end at ``until`` (by default the newest day that is rolled up) and propose limits."""
    with warehouse.begin() as connection:
        last = until or _newest_day(connection)
        periods = weeks_until(last, weeks)
        measured = {
            rule_id: rule
            for rule_id, rule in rules.items()
            if any(one.measured for one in rule.spec.parameters.values()) and book.limits(rule_id, last, last)
        }
        _require_rolled_up(connection, periods, measured)
        values: dict[Key, list[Measurement]] = defaultdict(list)
        for period in periods:
            tell(f"Measuring {period}")
            asking = prepare_asking(connection, period, book, measured, [tier.id for tier in book.tiers])
            for rule in measured.values():
                for limit in _limits_of(rule):
                    part = measure(connection, asking.scope(rule), asking.facts, rule, limit)
                    values[rule.id, limit].append(part)
    figures = [
        figure
        for (rule_id, limit), parts in values.items()
        if not any(part.error for part in parts)  # some weeks of it say too little
        for figure in _figures(rules[rule_id], limit, parts, suspects, book, last)
    ]
    return _proposal(book, periods, last + timedelta(days=1), figures, _failures(values))


def weeks_until(last: date, count: int) -> tuple[Period, ...]:
    """The last ``count`` ISO weeks that are over at the end of a day, oldest first."""
    if not 1 <= count <= (last - date.min).days // _WEEK:
        raise AuditsError(
            f"There are no {count:,} weeks up to {last}.", where=f"--weeks {count}", fix="Give 1 or more, such as 8."
        )
    found = [Period.of(last, "week")]
    if found[0].last_day > last:
        found = [found[0].previous]
    while len(found) < count:
        found.append(found[-1].previous)
    return tuple(reversed(found))


def _newest_day(connection: Connection) -> date:
    newest = newest_day(connection) if has_own_tables(connection) else None
    if newest is None:
        raise AuditsError(
            "Nothing is rolled up, so that nothing can be measured.",
            where="the warehouse's schema audit",
            fix="Audit a past period first: audits run --period 2026-10",
        )
    return newest


def _require_rolled_up(connection: Connection, periods: Sequence[Period], rules: Mapping[str, Rule]) -> None:
    first = min([first_day_of(rule, periods[0]) for rule in rules.values()], default=periods[0].first_day)
    there = has_own_tables(connection)
    missing = days_not_rolled_up(connection, first, periods[-1].last_day) if there else [first, periods[-1].last_day]
    if missing:
        raise AuditsError(
            f"The weeks {periods[0]} to {periods[-1]} and the days before them that rules compare with are not all "
            f"rolled up: days between {missing[0]} and {missing[-1]} are missing.",
            where="--weeks and --until",
            fix=f"Run: audits backfill --from {periods[0]} --to {periods[-1]}",
        )


def _limits_of(rule: Rule) -> list[str]:
    return [name for name, parameter in rule.spec.parameters.items() if parameter.measured]


def _figures(
    rule: Rule, limit: str, parts: Sequence[Measurement], suspects: frozenset[str], book: Book, day: date
) -> Iterator[LimitFigure]:
    parameter = rule.spec.parameters[limit]
    how = parameter.measured or Measured(by=limit)
    everyone = {member for part in parts for member in part.values}
    suspect = {name for part in parts for name, accounts in part.accounts.items() if accounts & suspects}
    parts_of_benign = ({m: v for m, v in part.values.items() if m[0] not in suspect} for part in parts)
    benign = furthest(parts_of_benign, upper=how.upper)
    for row in book.limits(rule.id, day, day):
        now = row.values[limit]
        if not isinstance(now, int | float):
            continue
        # Whom the rule does not find even without an upper limit counts as at the limit, and lowers nothing.
        values = [now if math.isinf(value) else value for value in benign.get(row.tier, [])]
        quantile, stricter = (1 - QUANTILE, min) if how.upper else (QUANTILE, max)
        percentile = round(float(np.quantile(values, quantile)), 6) if values else None
        yield LimitFigure(
            rule_id=rule.id,
            limit=limit,
            tier=row.tier,
            meaning=parameter.meaning,
            kind=parameter.type,
            now=now,
            of=how.of,
            upper=how.upper,
            percentile=percentile,
            furthest=stricter(values) if values else None,
            measured=len(values),
            left_out=sum(tier == row.tier and name in suspect for name, tier in everyone),
            proposed=(
                now if percentile is None else stricter(now, _as_limit(percentile, parameter.type, upper=how.upper))
            ),
        )


def _as_limit(value: float, kind: str, *, upper: bool) -> float:
    """The value as a limit of its kind is written, rounded away from what benign accounts reach."""
    rounded = math.floor if upper else math.ceil
    if KINDS[kind].whole:
        return rounded(value)
    figure = rounded(round(value * _SCALE, 3)) / _SCALE
    highest = KINDS[kind].high
    return figure if highest is None else min(figure, highest)


def _failures(values: Mapping[Key, Sequence[Measurement]]) -> list[str]:
    """One reason a rule, of the first week in which it failed."""
    found: dict[str, str] = {}
    for (rule_id, _), parts in sorted(values.items()):
        if errors := [part.error for part in parts if part.error]:
            found.setdefault(rule_id, errors[0])
    return [f"{rule_id} could not be measured: {error}" for rule_id, error in found.items()]


def _proposal(
    book: Book, periods: Sequence[Period], day: date, figures: Sequence[LimitFigure], failures: Sequence[str]
) -> Calibration:
    proposed = book
    pieces = []
    for (rule_id, limit), group in groupby(figures, key=lambda one: (one.rule_id, one.limit)):
        changed = [figure for figure in group if figure.changed]
        if changed:
            why = _reason(periods, changed)
            values = {figure.tier: figure.proposed for figure in changed}
            proposed = with_limit_from(proposed, rule_id, limit, values, day, why)
            pieces.append(pieces_for(book, proposed, rule_id, limit, day))
    return Calibration(
        policy_version=book.digest,
        weeks=tuple(period.id for period in periods),
        first_day=periods[0].first_day,
        last_day=periods[-1].last_day,
        effective_from=day,
        quantile=QUANTILE,
        figures=tuple(figures),
        differences=tuple(str(change) for change in policy_changes(book, proposed) if change.field != "why"),
        pieces=tuple(pieces),
        failures=tuple(failures),
        notes=tuple(_notes(periods, figures)),
    )


def _notes(periods: Sequence[Period], figures: Sequence[LimitFigure]) -> Iterator[str]:
    few = sorted({(figure.tier, figure.of) for figure in figures if figure.changed and figure.measured < FEW})
    for of, pairs in groupby(sorted(few, key=lambda pair: pair[1]), key=lambda pair: pair[1]):
        yield (
            f"of {', '.join(tier for tier, _ in pairs)} fewer than {FEW} {of}s were measured, so that the percentile "
            f"is little else than the furthest of them: look at that {of} before moving the limit to it"
        )
    of_groups = [figure.measured for figure in figures if figure.of == "group"]
    if of_groups and not any(of_groups):
        yield (
            "in these weeks there is no linked group, so that nothing was measured of groups; accounts of weeks that "
            f"were never audited are linked by: audits backfill --from {periods[0]} --to {periods[-1]}"
        )


def _reason(periods: Sequence[Period], changed: Sequence[LimitFigure]) -> str:
    """Why the limit is what it is, for whoever has to defend it."""
    reached = "; ".join(
        f"{figure.tier} {figure.percentile:,.10g} over {figure.measured:,} {figure.of}s, was {figure.now:,.10g}"
        for figure in changed
    )
    which = "0.5th" if changed[0].upper else "99.5th"
    return (
        f"Calibrated: the {which} percentile of benign {changed[0].of}s in the {len(periods)} weeks {periods[0]} to "
        f"{periods[-1]} ({reached})."
    )
