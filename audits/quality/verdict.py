"""The verdict on each day and source: good, degraded or blocked, with the reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, delete, select

from audits.policy import QualityLimit
from audits.quality.figures import NOTED, Figure, figures_of
from audits.quality.offending import Keys, offending_keys
from audits.quality.profile import Progress, profile_days
from audits.quality.raw_text import require_no_raw_text
from audits.quality.row_checks import ROWS_OF, Limits
from audits.quality.stored import read_profile
from audits.quality.suite import by_limits, failing
from audits.quality.tables import quality_days
from audits.quality.usual import WEEKS, Day
from audits.warehouse import Warehouse

ONE_ADDRESS = "one_address_share"
Verdict = Literal["good", "degraded", "blocked"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A check that a day failed."""

    check: str  # name of the limit in the policy book
    severity: Literal["warn", "degrade", "block"]
    what: str  # in words, with figures
    rows: int  # concerned; of a missing hour, those that are usual in it
    rules: tuple[str, ...]  # that are not evaluated
    hours: tuple[int, ...]  # UTC; empty where it is not a matter of hours
    accounts: tuple[str, ...] = ()  # whom alone it concerns; empty: everyone that the source serves
    set_aside: bool = False  # these rules do not read the day at all
    keys: tuple[str, ...] = ()  # event ids of the first rows concerned; empty where no single event is at fault

    def as_json(self) -> dict[str, Any]:
        """As the ledger and the reports keep it."""
        lists = ("rules", "hours", "accounts", "keys")
        return asdict(self) | {name: list(getattr(self, name)) for name in lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reason:
        """The reason that :meth:`as_json` wrote."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**plain)


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """What became of a day of a source. A good day may have reasons too: warnings."""

    day: date
    source_system: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    figures: Mapping[str, float] = field(default_factory=dict, compare=False)  # held against the limits, by check


def judge(
    warehouse: Warehouse,
    first_day: date,
    last_day: date,
    limits_on: Callable[[date], Limits],
    *,
    since: date | None = None,
    progress: Progress | None = None,
) -> tuple[DayVerdict, ...]:
    """Profile and judge the days first..last, in order of day and source; what is known already is not done again.

    ``limits_on`` gives the policy book's limits of a day. The days ``since`` .. first are judged too: their rows are
    read as a baseline, from which a blocked day must be left out. A verdict rests on the day, the weeks before it and
    the beginning of its month, which are profiled for every day that is judged, and on nothing else: whatever was
    asked before, in whatever order, the same rows have the same verdict. ``progress`` is told (days profiled, days to
    profile).
    """
    first = min(first_day, since or first_day)
    begin = min(first - timedelta(weeks=WEEKS), first.replace(day=1))
    with warehouse.begin() as connection:
        require_no_raw_text(connection)
        mended = set(blocked(recorded(connection, begin, last_day)))
    profile_days(warehouse, begin, last_day, limits_on, mended, progress)
    with warehouse.begin() as connection:
        _judge(connection, first, last_day, limits_on)
        return recorded(connection, first, last_day)


def recorded(connection: Connection, first_day: date, last_day: date) -> tuple[DayVerdict, ...]:
    """The verdicts on the days first..last as they were recorded, in order of day and source."""
    q = quality_days.c
    rows = connection.execute(
        select(quality_days).where(q.day.between(first_day, last_day)).order_by(q.day, q.source_system)
    )
    return tuple(
        DayVerdict(
            row.day,
            row.source_system,
            row.verdict,
            tuple(map(Reason.from_json, json.loads(row.reasons))),
            json.loads(row.figures),
        )
        for row in rows
    )


def blocked(verdicts: Iterable[DayVerdict]) -> dict[date, tuple[str, ...]]:
    """Day -> sources whose rows of that day must not be read."""
    found: dict[date, tuple[str, ...]] = {}
    for one in verdicts:
        if one.verdict == "blocked":
            found[one.day] = (*found.get(one.day, ()), one.source_system)
    return found


def behind_gateway(verdicts: Iterable[DayVerdict]) -> tuple[Day, ...]:
    """The days of sources whose addresses are a gateway's and say nothing of the clients."""
    return tuple(
        (one.day, one.source_system)
        for one in verdicts
        if any(reason.check == ONE_ADDRESS and reason.severity != "warn" for reason in one.reasons)
    )


def _judge(connection: Connection, first: date, last: date, limits_on: Callable[[date], Limits]) -> None:
    """Judge the days whose profile was not judged as it is, and forget verdicts on what is no longer there."""
    q = quality_days.c
    profile = read_profile(connection, first, last)
    judged = {
        (row.day, row.source_system): row.inputs
        for row in connection.execute(select(q.day, q.source_system, q.inputs).where(q.day.between(first, last)))
    }
    inputs = {one: profile.digest(one, limits_on(one[0])) for one in profile.days}
    stale = [one for one in profile.days if judged.get(one) != inputs[one]]
    for day, source in {*stale, *(judged.keys() - inputs.keys())}:
        connection.execute(delete(quality_days).where(q.day == day, q.source_system == source))
    for limits, days in by_limits(stale, limits_on):
        figures = {one: figures_of(connection, profile, one, limits) for one in days}
        failed = failing({one: _values(of) for one, of in figures.items()}, limits)
        failed = {one: [*_said(checks, limits), *_noted(figures[one])] for one, checks in failed.items()}
        keys = offending_keys(connection, failed, limits, profile.raw)
        verdicts = [_verdict(one, figures[one], failed[one], limits, keys) for one in days]
        connection.execute(
            quality_days.insert(),
            [
                {
                    "day": verdict.day,
                    "source_system": verdict.source_system,
                    "verdict": verdict.verdict,
                    "reasons": json.dumps([reason.as_json() for reason in verdict.reasons], ensure_ascii=False),
                    "figures": json.dumps(verdict.figures),
                    "inputs": inputs[verdict.day, verdict.source_system],
                }
                for verdict in verdicts
            ],
        )


def _said(failed: Sequence[str], limits: Limits) -> list[str]:
    """The failed checks, without those about the same rows as one that blocks the day."""
    blocking = {ROWS_OF[check] for check in failed if check in ROWS_OF and limits[check].severity == "block"}
    return [check for check in failed if limits[check].severity == "block" or ROWS_OF.get(check) not in blocking]


def _noted(figures: Mapping[str, Figure]) -> list[str]:
    return [note for note in NOTED if note in figures and figures[note].value]


def _values(figures: Mapping[str, Figure]) -> dict[str, float]:
    """The figures that can be formed, by the name of their limit."""
    return {check: float(figure.value) for check, figure in figures.items() if figure.value is not None}


def _verdict(
    one: Day, figures: Mapping[str, Figure], failed: Iterable[str], limits: Limits, keys: Mapping[tuple[Day, str], Keys]
) -> DayVerdict:
    reasons = tuple(_reason(check, figures[check], limits.get(check), keys.get((one, check), ())) for check in failed)
    severities = {reason.severity for reason in reasons}
    verdict: Verdict = "blocked" if "block" in severities else "degraded" if "degrade" in severities else "good"
    return DayVerdict(*one, verdict, reasons, _values(figures))


def _reason(check: str, figure: Figure, limit: QualityLimit | None, keys: Keys) -> Reason:
    """What to say of a check that failed; without a limit it is a note."""
    severity = limit.severity if limit else "warn"
    rules = limit.not_evaluated if limit and severity != "warn" else ()
    rows = int(figure.rows)  # PostgreSQL sums whole numbers as decimals
    aside = bool(rules) and bool(limit and limit.set_aside)
    return Reason(check, severity, figure.what, rows, rules, figure.hours, figure.accounts, aside, keys)
