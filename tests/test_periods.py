from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import AuditsError
from audits.periods import Period, between

DAYS = st.dates(min_value=date(1980, 1, 1), max_value=date(2200, 12, 31))
KINDS = st.sampled_from(["day", "week", "month", "quarter"])


@given(DAYS, KINDS)
def test_the_period_of_a_day_holds_the_day_and_is_named_so_that_it_can_be_read_back(day, kind):
    period = Period.of(day, kind)
    assert period.first_day <= day <= period.last_day
    assert Period.parse(period.id) == period


@given(DAYS, KINDS)
def test_periods_follow_each_other_without_gap_or_overlap(day, kind):
    period = Period.of(day, kind)
    assert period.next.start == period.end
    assert period.previous.end == period.start
    assert period.next.previous == period
    assert len(period.days) == (period.end - period.start) / timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-10-05", "2026-10-05", "2026-10-06"),
        ("2026-W41", "2026-10-05", "2026-10-12"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-Q4", "2026-10-01", "2027-01-01"),
    ],
)
def test_a_period_begins_and_ends_at_utc_midnight(text, start, end):
    period = Period.parse(text)
    assert period.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert period.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-W54", "2026-Q5", "2026-02-30", "10/2026", "2026-10 x"])
def test_what_is_no_period_is_refused_with_the_forms_that_are_allowed(text):
    with pytest.raises(AuditsError) as caught:
        Period.parse(text)
    assert repr(text) in caught.value.what
    assert "2026-Q4" in caught.value.fix
    assert caught.value.exit_code == 2


def test_a_range_holds_both_ends():
    assert [p.id for p in between(Period.parse("2026-11"), Period.parse("2027-01"))] == [
        "2026-11",
        "2026-12",
        "2027-01",
    ]


def test_a_range_of_two_kinds_or_backwards_is_refused():
    with pytest.raises(AuditsError, match="a month and 2026-W41 is a week"):
        between(Period.parse("2026-10"), Period.parse("2026-W41"))
    with pytest.raises(AuditsError, match="before"):
        between(Period.parse("2026-10"), Period.parse("2026-09"))


def test_titles_are_for_people():
    titles = [Period.parse(t).title for t in ("2026-10-05", "2026-W41", "2026-W40", "2026-10", "2026-Q4")]
    assert titles == [
        "5 Oct 2026", "Week 41 of 2026 (5 to 11 Oct)", "Week 40 of 2026 (28 Sep to 4 Oct)", "October 2026", "Q4 2026",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["9999-12", "9999-W52", "0001-01", "3000-01-01", "1969-Q4"])
def test_years_that_no_audit_can_be_of_are_refused(text):
    with pytest.raises(AuditsError, match="not between the years 1970 and 2999") as caught:
        Period.parse(text)
    assert "Did you mean" not in str(caught.value)
