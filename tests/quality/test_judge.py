"""What is known already is not done again, and what changed is."""

import socket
from datetime import timedelta

import pytest
from sqlalchemy import select

from audits import quality
from audits.policy import load_book
from audits.quality import profile, verdict
from audits.quality.tables import quality_hours
from audits.warehouse import warehouse
from tests.quality.data import ACCOUNTS, DAY, change, checks, judged, limits, requests, weeks, world
from tests.rows import put, run_sql


@pytest.fixture
def profiled(monkeypatch):
    """The days that are profiled from now on."""
    days = []
    real = profile._profile
    monkeypatch.setattr(profile, "_profile", lambda c, stretch, *rest: (days.extend(stretch), real(c, stretch, *rest)))
    return days


def test_a_second_time_neither_rows_nor_figures_are_looked_at(url, profiled, monkeypatch):
    put(url, world(weeks(), change(requests(), 2, output_tokens=-1)))
    first = judged(url)
    profiled.clear()
    monkeypatch.setattr(verdict, "failing", lambda *_: pytest.fail("Great Expectations was asked again"))
    assert judged(url) == first
    assert profiled == []


def test_late_rows_reopen_their_own_day_only(url, profiled):
    put(url, world(weeks(), requests()))
    judged(url)
    profiled.clear()
    put(url, {"usage_events": requests(DAY, hours=(9,), each=1, event_id="late:1", output_tokens=-1)[:1]})
    put(url, {"usage_events": requests(DAY, hours=(9,), each=1, event_id="late:2", output_tokens=-1)[:1]})
    (one,) = judged(url)
    assert profiled == [DAY]
    assert set(checks(one)) == {"impossible_token_share", "negative_rows"}


def test_another_limit_judges_again_from_the_same_profile(url, profiled):
    put(url, world(weeks(), change(requests(), 2, output_tokens=-1)))
    assert judged(url)[0].verdict == "degraded"
    profiled.clear()
    assert judged(url, impossible_token_share=0.5)[0].verdict == "good"
    assert profiled == []


def test_a_limit_that_the_counts_are_made_with_profiles_again(url, profiled):
    put(url, world([row | {"ingested_ts": row["event_ts"] + timedelta(hours=3, minutes=20)} for row in requests()]))
    assert judged(url)[0].reasons == ()
    profiled.clear()
    assert set(checks(judged(url, late_hours=2)[0])) == {"late_share"}
    assert DAY in profiled


def test_days_that_name_what_changed_in_the_dimensions_are_profiled_again_and_no_others(url, profiled):
    put(url, world(weeks(model_served="m-0"), change(requests(), 2, model_served="m-9")))
    assert set(checks(judged(url)[0])) == {"unknown_model_share"}
    profiled.clear()
    run_sql(url, "UPDATE models SET model = 'm-9'")  # the one that the other rows have is unknown now
    assert judged(url)[0].reasons[0].rows == 70
    assert profiled == [DAY]


def test_a_key_that_turns_out_to_have_been_revoked_is_seen_on_days_that_were_good(url):
    put(url, world(weeks(), requests()))
    assert judged(url)[0].verdict == "good"
    run_sql(url, f"UPDATE api_keys SET revoked_at = TIMESTAMPTZ '{DAY - timedelta(weeks=9)} 00:00:00+00'")
    assert set(checks(judged(url)[0])) == {"orphan_key_share"}


def test_a_baseline_day_is_judged_by_the_weeks_before_it_whatever_was_asked_first(url):
    silent = DAY - timedelta(weeks=3)
    history = [row for row in weeks() if row["event_ts"].date() != silent]
    older = [row for week in range(5, 9) for row in requests(DAY - timedelta(weeks=week))]
    put(url, world(older, history, requests(silent, hours=(9,)), requests()))
    with warehouse(url, write=True) as opened:
        alone = quality.judge(opened, DAY, DAY, lambda _day: limits(), since=silent)
        quality.judge(opened, DAY - timedelta(weeks=6), DAY - timedelta(weeks=4), lambda _day: limits())
        again = quality.judge(opened, DAY, DAY, lambda _day: limits(), since=silent)
    assert again == alone
    assert {"missing_hours"} <= {reason.check for one in alone if one.day == silent for reason in one.reasons}


def test_the_limits_of_each_day_are_those_in_force_on_it(url):
    put(
        url,
        world(change(requests(), 2, output_tokens=-1), change(requests(DAY - timedelta(days=1)), 2, output_tokens=-1)),
    )
    strict, lax = limits(), limits(impossible_token_share=0.5)
    with warehouse(url, write=True) as opened:
        verdicts = quality.judge(opened, DAY - timedelta(days=1), DAY, lambda day: lax if day < DAY else strict)
    assert [one.verdict for one in verdicts] == ["good", "degraded"]


def test_the_days_of_the_baseline_are_judged_too(url):
    baseline = DAY - timedelta(days=40)
    put(url, world(requests(), change(requests(baseline), 1, session_id="two words")))
    with warehouse(url, write=True) as opened:
        verdicts = quality.judge(opened, DAY, DAY, lambda _day: limits(), since=baseline)
    assert quality.blocked(verdicts) == {baseline: ("native",)}


def test_verdicts_are_read_back_as_they_were_given(url):
    put(url, world(weeks(), change(requests(hours=(9, 20)), 2, output_tokens=-1, cached_input_tokens=None)))
    given = judged(url)
    with warehouse(url) as opened, opened.begin() as connection:
        assert quality.recorded(connection, DAY, DAY) == given
        assert quality.recorded(connection, DAY + timedelta(days=1), DAY + timedelta(days=9)) == ()


def test_rows_that_are_gone_take_their_verdict_with_them(url):
    put(url, world(requests()))
    assert len(judged(url)) == 1
    run_sql(url, "DELETE FROM usage_events")
    assert judged(url) == ()


def test_both_engines_profile_and_judge_alike(duckdb_warehouse, postgres_url):
    rows = world(
        weeks(),
        change(change(requests(hours=(9, 20)), 30, api_key_hash="", output_tokens=-1), 4, model_served="m-9"),
        requests(hours=(9,), each=2),
        requests(accounts="ab", source_system="otel", hours=(3,), each=9, event_id="same", client_ip_hash="one"),
    )
    outcomes = []
    for url in (duckdb_warehouse, postgres_url):
        put(url, rows)
        verdicts = judged(url)
        with warehouse(url) as opened, opened.begin() as connection:
            hours = connection.execute(select(quality_hours).order_by(*quality_hours.primary_key)).all()
        outcomes.append((verdicts, [tuple(row) for row in hours]))
    assert outcomes[0] == outcomes[1]
    assert {reason.check for one in outcomes[0][0] for reason in one.reasons} >= {"duplicate_share", "empty_key_share"}


def test_judging_reaches_for_no_network(duckdb_warehouse, monkeypatch):
    put(duckdb_warehouse, world(weeks(), requests()))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something was called over the network"))
    assert judged(duckdb_warehouse)[0].verdict == "good"


def test_the_shipped_book_has_every_limit_that_is_asked_for(duckdb_warehouse):
    book = load_book(None, {})
    put(duckdb_warehouse, world(weeks(), requests(), accounts=ACCOUNTS))
    with warehouse(duckdb_warehouse, write=True) as opened:
        (one,) = quality.judge(opened, DAY, DAY, book.quality)
    assert one.verdict == "good"
