"""Periods that are audited: a day, an ISO week, a month or a quarter; UTC, half-open [start, end)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from audits.errors import AuditsError

Kind = Literal["day", "week", "month", "quarter"]

_FORMS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("day", re.compile(r"(\d{4})-(\d{2})-(\d{2})")),
    ("week", re.compile(r"(\d{4})-W(\d{2})")),
    ("quarter", re.compile(r"(\d{4})-Q([1-4])")),
    ("month", re.compile(r"(\d{4})-(\d{2})")),
)
_MONTHS_PER_QUARTER = 3
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
"""Years in which a period may lie: the days before and after it are dates as well."""


def utc_midnight(day: date) -> datetime:
    """The instant at which a UTC day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A closed-open stretch of whole UTC days with the name that people use for it.

    >>> Period.parse("2026-W41").first_day, Period.parse("2026-Q4").last_day
    (datetime.date(2026, 10, 5), datetime.date(2026, 12, 31))
    """

    first_day: date
    kind: Kind

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``2026-10-05``, ``2026-W41``, ``2026-10`` or ``2026-Q4``."""
        for kind, form in _FORMS:
            if match := form.fullmatch(text.strip()):
                numbers = [int(part) for part in match.groups()]
                if not _FIRST_YEAR <= numbers[0] <= _LAST_YEAR:
                    raise _unreadable(text, f"{text!r} is not between the years {_FIRST_YEAR} and {_LAST_YEAR}.")
                try:
                    return cls(_first_day(kind, numbers), kind)
                except ValueError as error:
                    raise _unreadable(text, f"{text!r} is not a valid {kind}: {error}.") from error
        raise _unreadable(text, f"{text!r} is not a period.")

    @classmethod
    def of(cls, day: date, kind: Kind) -> Period:
        """The period of a kind that a day lies in."""
        match kind:
            case "day":
                return cls(day, kind)
            case "week":
                return cls(day - timedelta(days=day.weekday()), kind)
            case "month":
                return cls(day.replace(day=1), kind)
            case "quarter":
                return cls(day.replace(month=day.month - (day.month - 1) % _MONTHS_PER_QUARTER, day=1), kind)

    @property
    def id(self) -> str:
        """The period's name: the same text that :meth:`parse` reads."""
        first = self.first_day
        match self.kind:
            case "day":
                return first.isoformat()
            case "week":
                year, week, _ = first.isocalendar()
                return f"{year}-W{week:02d}"
            case "month":
                return f"{first:%Y-%m}"
            case "quarter":
                return f"{first.year}-Q{(first.month - 1) // _MONTHS_PER_QUARTER + 1}"

    @property
    def end_day(self) -> date:
        """The first day that no longer belongs to the period."""
        match self.kind:
            case "day":
                return self.first_day + timedelta(days=1)
            case "week":
                return self.first_day + timedelta(days=7)
            case "month":
                return _add_months(self.first_day, 1)
            case "quarter":
                return _add_months(self.first_day, _MONTHS_PER_QUARTER)

    @property
    def last_day(self) -> date:
        """The last day that belongs to the period."""
        return self.end_day - timedelta(days=1)

    @property
    def start(self) -> datetime:
        """First instant, inclusive."""
        return utc_midnight(self.first_day)

    @property
    def end(self) -> datetime:
        """Last instant, exclusive."""
        return utc_midnight(self.end_day)

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of the period, in order."""
        return tuple(self.first_day + timedelta(days=n) for n in range((self.end_day - self.first_day).days))

    @property
    def previous(self) -> Period:
        """The period of the same kind just before."""
        return Period.of(self.first_day - timedelta(days=1), self.kind)

    @property
    def next(self) -> Period:
        """The period of the same kind just after."""
        return Period.of(self.end_day, self.kind)

    @property
    def title(self) -> str:
        """The period in words: ``October 2026``, ``Week 41 of 2026 (5 to 11 Oct)``, ``Q4 2026``, ``5 Oct 2026``."""
        first, last = self.first_day, self.last_day
        match self.kind:
            case "day":
                return f"{first.day} {first:%b %Y}"
            case "week":
                year, week, _ = first.isocalendar()
                begins = f"{first.day}" if first.month == last.month else f"{first.day} {first:%b}"
                return f"Week {week} of {year} ({begins} to {last.day} {last:%b})"
            case "month":
                return f"{first:%B %Y}"
            case "quarter":
                return f"Q{(first.month - 1) // _MONTHS_PER_QUARTER + 1} {first.year}"

    def __str__(self) -> str:
        return self.id


def between(first: Period, last: Period) -> tuple[Period, ...]:
    """Every period from ``first`` to ``last``, both included."""
    if first.kind != last.kind:
        raise AuditsError(
            f"{first} is a {first.kind} and {last} is a {last.kind}.",
            where="--from and --to",
            fix="Give two periods of one kind, such as --from 2026-08 --to 2026-10.",
        )
    if last < first:
        raise AuditsError(f"{last} lies before {first}.", where="--from and --to", fix="Swap the two periods.")
    found = [first]
    while found[-1] < last:
        found.append(found[-1].next)
    return tuple(found)


def _first_day(kind: Kind, numbers: list[int]) -> date:
    match kind:
        case "day":
            return date(numbers[0], numbers[1], numbers[2])
        case "week":
            return date.fromisocalendar(numbers[0], numbers[1], 1)
        case "month":
            return date(numbers[0], numbers[1], 1)
        case "quarter":
            return date(numbers[0], (numbers[1] - 1) * _MONTHS_PER_QUARTER + 1, 1)


def _add_months(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _unreadable(text: str, what: str) -> AuditsError:
    meant = _meant(text)
    if meant == text.strip():
        meant = ""
    return AuditsError(
        what,
        where=f"period {text!r}",
        fix=f"{f'Did you mean {meant}? ' if meant else ''}"
        "Write a day (2026-10-05), an ISO week (2026-W41), a month (2026-10) or a quarter (2026-Q4).",
    )


def _meant(text: str) -> str:
    """The period that other spellings of it stand for (2026-1, 2026w41, 2026/10/5, Q4 2026), or an empty string."""
    parts = re.findall(r"\d+|[wq](?=\d)", text.lower())
    year = next((part for part in parts if re.fullmatch(r"\d{4}", part)), "")
    rest = [part for part in parts if part != year]
    match rest:
        case ["w", week]:
            spelled = f"{year}-W{week:0>2}"
        case ["q", quarter]:
            spelled = f"{year}-Q{quarter}"
        case [*numbers] if len(numbers) in (1, 2) and parts[0] == year and all(map(str.isdigit, numbers)):
            spelled = "-".join([year, *(f"{number:0>2}" for number in numbers)])
        case _:
            return ""
    for kind, form in _FORMS:
        if match := form.fullmatch(spelled):
            try:
                _first_day(kind, [int(part) for part in match.groups()])
            except ValueError:
                return ""
            return spelled
    return ""
