"""Weeks of a small, sound source, and ways to judge it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from audits import quality
from audits.policy import QualityLimit, load_book
from audits.quality import DayVerdict, Reason
from audits.warehouse import warehouse
from tests.rows import REFERENCE, Row, account, at, event, put, together

DAY = date(2026, 10, 14)
ACCOUNTS = ("a", "b", "c", "d", "e", "f")
HOURS = (9, 13, 20)
SHIPPED = load_book(None, {}).quality(DAY)


def limits(**changed: float) -> dict[str, QualityLimit]:
    """The shipped limits, fit for few rows: a fall is judged from 10 rows an hour on."""
    return {
        name: replace(one, limit=({"hour_rows_min": 10} | changed).get(name, one.limit))
        for name, one in SHIPPED.items()
    }


def requests(
    day: date = DAY, accounts: Iterable[str] = ACCOUNTS, hours: Iterable[int] = HOURS, each: int = 4, **columns: Any
) -> list[Row]:
    """``each`` requests an hour of each account; the first of a day and account failed, as some always do."""
    start = at(day.isoformat())
    return [
        event(
            f"{name}-{day}-{hour}-{i}",
            name,
            start + timedelta(hours=hour, seconds=17 * i + 1),
            **{"status_code": 500 if (hour, i) == (HOURS[0], 0) else 200, "client_ip_hash": f"ip-{name}-{i}"} | columns,
        )
        for name in accounts
        for hour in hours
        for i in range(each)
    ]


def weeks(accounts: Iterable[str] = ACCOUNTS, **columns: Any) -> list[Row]:
    """The same weekday in the four weeks before."""
    return [row for week in range(1, 5) for row in requests(DAY - timedelta(weeks=week), accounts, **columns)]


def world(*events: list[Row], accounts: Iterable[str] = ACCOUNTS) -> dict[str, list[Row]]:
    """These events, with the accounts and all reference tables."""
    return together(*map(account, accounts), REFERENCE, {"usage_events": [row for many in events for row in many]})


def change(rows: list[Row], count: int, **columns: Any) -> list[Row]:
    """The rows, the last ``count`` of them changed."""
    return [row | columns if index >= len(rows) - count else row for index, row in enumerate(rows)]


def judged(url: str, first: date = DAY, last: date = DAY, **changed: float) -> tuple[DayVerdict, ...]:
    """The verdicts under the shipped limits, some of them changed."""
    held = limits(**changed)
    with warehouse(url, write=True) as opened:
        return quality.judge(opened, first, last, lambda _day: held)


def verdict(url: str, *rows: list[Row], **changed: float) -> DayVerdict:
    """The verdict on the one source of ``DAY`` in a warehouse with these rows."""
    put(url, world(*rows))
    (one,) = judged(url, **changed)
    return one


def checks(one: DayVerdict) -> dict[str, Reason]:
    """The reasons by check."""
    return {reason.check: reason for reason in one.reasons}
