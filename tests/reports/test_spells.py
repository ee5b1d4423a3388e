"""Poor days of data, and those in a row of which the same is said in one line."""

from datetime import date

from reports.model import QualityDay
from reports.spells import Spell, poor_spells


def day(number: int, verdict: str = "blocked", *reasons: str, checks: int = 3) -> QualityDay:
    return QualityDay(date(2026, 10, number), verdict, reasons or ("an hour is missing",), checks)


def test_days_in_a_row_are_one_spell() -> None:
    (spell,) = poor_spells([day(1), day(2, checks=7), day(3)])
    assert spell == Spell(date(2026, 10, 1), date(2026, 10, 3), "blocked", ("an hour is missing",), 7)


def test_a_good_day_another_verdict_or_another_reason_begins_a_spell() -> None:
    days = [
        day(1),
        day(2, "good"),
        day(3),
        day(4, "degraded"),
        day(5, "degraded", "ids twice"),
        day(7, "degraded", "ids twice"),
    ]
    spells = poor_spells(days)
    assert [(spell.first_day.day, spell.last_day.day) for spell in spells] == [(1, 1), (3, 3), (4, 4), (5, 5), (7, 7)]


def test_a_reason_that_several_sources_have_is_said_once() -> None:
    (spell,) = poor_spells([day(1, "blocked", "ids twice", "ids twice")])
    assert spell.reasons == ("ids twice",)
