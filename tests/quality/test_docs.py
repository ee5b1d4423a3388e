"""Data Docs: two plain pages that read offline and come out the same each time."""

import re
import time
from datetime import UTC, date, datetime, timedelta

from audits.quality.docs import data_docs
from tests.quality.data import DAY, limits

HOSTILE = "<b onclick=alert(1)>&$number \"'\u202e"
AT = datetime(2026, 11, 4, tzinfo=UTC)
FIGURES = {(DAY, "native"): {"impossible_token_share": 0.03, "late_share": 0.001, "lost_hours": 0.0}}


def names(first: date) -> tuple[str, str]:
    return f"docs-{first}.html", f"limits-{first}.html"


def pages(figures=FIGURES, limits_on=lambda _day: limits()):
    return data_docs(figures, limits_on, name="2026-10", at=AT, files=names)


def test_the_same_figures_give_the_same_pages_and_none_calls_home():
    (first,) = pages()
    assert pages() == (first,)
    text = first.results + first.limits
    assert not re.search(r"https?://|<script|<link|<img", text)
    assert "impossible_token_share" in text
    assert DAY.isoformat() in first.results
    assert f'href="limits-{DAY}.html"' in first.results
    assert f'href="docs-{DAY}.html"' in first.limits


def test_the_time_zone_of_the_machine_changes_no_page(monkeypatch):
    here = pages()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert pages() == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_days_under_other_limits_have_pages_of_their_own():
    later = DAY + timedelta(days=1)
    figures = FIGURES | {(later, "native"): {"impossible_token_share": 0.03}}
    docs = pages(figures, lambda day: limits() if day == DAY else limits(impossible_token_share=0.05))
    assert [one.first_day for one in docs] == [DAY, later]
    assert "not met" not in docs[1].results.split("</style>")[1]
    assert later.isoformat() not in docs[0].results


def test_a_hostile_name_of_a_source_is_no_markup():
    (docs,) = pages({(DAY, HOSTILE): {"impossible_token_share": 0.03}})
    assert "<b onclick" not in docs.results
    assert "&lt;b onclick" in docs.results
    assert "\u202e" not in docs.results
