"""Rollups count each request once, on its own UTC day, and only days that changed are built again."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from audits.quality.quarantine import duplicate_events
from audits.rollups import ROLLUPS, refresh
from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_hour import account_hour
from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_score_day import SCORES, account_score_day
from audits.rollups.build import roll_up
from audits.rollups.events import countable_events
from audits.warehouse import warehouse
from tests.rows import REFERENCE, account, at, event, events, put, run_sql, together

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


def built(url: str) -> dict[date, str]:
    with warehouse(url, write=True) as opened:
        return refresh(opened, FIRST, LAST).built


def rows(url: str, statement):
    with warehouse(url) as opened, opened.begin() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def own(url: str) -> str:
    """Where the audit's own tables lie."""
    return url if url.startswith("postgres") else url.replace("usage.duckdb", "usage.rollups.duckdb")


def by_day(url: str):
    d = account_day.c
    return rows(url, select(d.day, d.account_id, func.sum(d.n_requests)).group_by(d.day, d.account_id).order_by(d.day))


def test_the_first_and_last_microsecond_of_a_day_belong_to_it(url):
    edge = [
        event(1, "a", at("2026-10-05")),
        event(2, "a", at("2026-10-06") - timedelta(microseconds=1)),
        event(3, "a", at("2026-10-05") - timedelta(microseconds=1)),
        event(4, "a", at("2026-10-06")),
    ]
    put(url, together(account("a"), REFERENCE, {"usage_events": edge}))
    built(url)
    assert by_day(url) == [(date(2026, 10, d), "a", n) for d, n in ((4, 1), (5, 2), (6, 1))]


COUNTING = [table for table, _ in ROLLUPS if "n_requests" in table.c]


@pytest.mark.parametrize("table", COUNTING, ids=lambda table: table.name)
def test_rows_of_a_rollup_add_up_to_all_requests(url, table):
    bare = dict.fromkeys((*SCORES, "prompt_template_hash", "system_prompt_hash", "topic_id", "lang"))
    many = [event(1, "a", "2026-10-05"), event(2, "a", "2026-10-05", **bare), event(3, "a", "2026-10-05", lang="en")]
    put(url, together(account("a"), REFERENCE, {"usage_events": many}))
    built(url)
    assert rows(url, select(func.sum(table.c.n_requests), func.sum(table.c.n_ok) if "n_ok" in table.c else 3)) == [
        (3, 3)
    ]


def test_a_second_refresh_builds_nothing(url):
    put(url, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    assert len(built(url)) == 31
    assert built(url) == {}


def test_late_rows_reopen_exactly_the_days_that_they_touch(url):
    put(url, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    built(url)
    late = [
        event("late-1", "a", "2026-10-05T23:00", ingested_ts=at("2026-11-02")),
        event("late-2", "a", "2026-10-17T01:00", ingested_ts=at("2026-11-02")),
    ]
    put(url, {"usage_events": late})
    assert built(url) == {date(2026, 10, 5): "1 late rows", date(2026, 10, 17): "1 late rows"}
    assert by_day(url) == [(date(2026, 10, 5), "a", 4), (date(2026, 10, 17), "a", 1)]


def test_rows_that_are_deleted_or_replaced_in_the_source_reopen_their_day(url):
    put(url, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    built(url)
    run_sql(url, "DELETE FROM usage_events WHERE event_id = 'native:a-2026-10-05-0'")
    assert built(url) == {date(2026, 10, 5): "1 rows are gone from the source"}
    put(url, {"usage_events": events("a", "2026-10-09", 1)})
    built(url)
    run_sql(url, "UPDATE usage_events SET ingested_ts = ingested_ts + INTERVAL '1 day', output_tokens = 7 "
                 "WHERE event_id = 'native:a-2026-10-09-0'")  # fmt: skip
    assert built(url) == {date(2026, 10, 9): "rows were replaced in the source"}


def test_an_event_delivered_twice_counts_once(url):
    once = events("a", "2026-10-05", 5)
    again = [row | {"ingested_ts": at("2026-10-06")} for row in once[:2]]
    put(url, together(account("a"), REFERENCE, {"usage_events": [*once, *once[:1], *again]}))
    built(url)
    assert by_day(url) == [(date(2026, 10, 5), "a", 5)]
    h, m = account_hour.c, account_model_day.c
    assert rows(url, select(func.sum(h.n_ok))) == [(5,)]
    assert rows(url, select(func.sum(m.n_ok))) == [(5,)]


def test_an_id_on_two_days_is_one_request_on_the_earlier_whichever_was_loaded_first(url):
    early, *late = event(1, "a", "2026-10-05"), event(1, "a", "2026-10-06"), event(1, "a", "2026-10-06T09:00")
    put(url, together(account("a"), REFERENCE, {"usage_events": late}))
    built(url)
    assert by_day(url) == [(date(2026, 10, 6), "a", 1)]
    put(url, {"usage_events": [early]})
    repeats = "other rows of it repeat those of days before"
    assert built(url) == {date(2026, 10, 5): "1 late rows", date(2026, 10, 6): repeats}
    assert by_day(url) == [(date(2026, 10, 5), "a", 1)]


def test_a_bucket_under_two_sources_counts_once(url):
    bucket = {
        "bucket_start": at("2026-10-05T09:00"), "bucket_end": at("2026-10-05T10:00"), "account_id": "a",
        "ingested_ts": at("2026-10-06"), "model": "m-1", "input_tokens": 10, "output_tokens": 5, "n_requests": 3,
    }  # fmt: skip
    told = [bucket | {"source_system": name} for name in ("export", "billing")]
    put(url, together(account("a"), REFERENCE, {"usage_buckets": told}))
    built(url)
    d = account_day.c
    assert rows(url, select(d.source_system, d.n_requests)) == [("billing", 3)]


@pytest.mark.parametrize(("in_statement", "in_transaction", "in_search"), [(1, 1, 1), (1, 5, 9), (50, 50, 9)])
def test_how_many_rows_are_taken_at_once_changes_no_rollup(url, monkeypatch, in_statement, in_transaction, in_search):
    usage = [event(n, "a", f"2026-10-{1 + n % 9:02}T{n % 24:02}:00") for n in range(40)]
    put(url, together(account("a"), REFERENCE, {"usage_events": [*usage, usage[3], usage[11]]}))
    assert len(built(url)) == 31
    made = [*(table for table, _ in ROLLUPS), duplicate_events]
    at_once = [rows(url, select(table).order_by(*table.c)) for table in made]
    assert len(at_once[-1]) == 2
    monkeypatch.setattr("audits.rollups.build.ROWS_IN_STATEMENT", in_statement)
    monkeypatch.setattr("audits.rollups.build.ROWS_IN_TRANSACTION", in_transaction)
    monkeypatch.setattr("audits.quality.quarantine.ROWS_IN_SEARCH", in_search)
    run_sql(own(url), "UPDATE audit.rollup_days SET version = 'another'", "UPDATE audit.duplicate_days SET n_rows = -1")
    assert len(built(url)) == 31
    assert [rows(url, select(table).order_by(*table.c)) for table in made] == at_once


def test_rows_with_negative_tokens_are_left_out_of_every_rollup(url):
    bad = [event("bad", "a", "2026-10-05T10:00", output_tokens=-5)]
    put(url, together(account("a"), REFERENCE, {"usage_events": [*events("a", "2026-10-05", 2), *bad]}))
    built(url)
    assert by_day(url) == [(date(2026, 10, 5), "a", 2)]
    assert rows(url, select(func.sum(account_client_day.c.n_requests))) == [(2,)]


def test_a_day_is_cut_where_a_tier_changes_inside_it(url):
    people = account("a")
    people["account_tiers"] = [
        {"account_id": "a", "tier": "free", "valid_from": at("2026-01-01"), "valid_to": at("2026-10-05T12:30")},
        {"account_id": "a", "tier": "build", "valid_from": at("2026-10-05T12:30")},
    ]
    usage = [event(1, "a", "2026-10-05T12:29"), event(2, "a", "2026-10-05T12:30"), event(3, "a", "2026-10-05T12:31")]
    put(url, together(people, REFERENCE, {"usage_events": usage}))
    built(url)
    d = account_day.c
    assert rows(url, select(d.slice_start, d.n_requests).order_by(d.slice_start)) == [
        (at("2026-10-05"), 1), (at("2026-10-05T12:30"), 2),
    ]  # fmt: skip


def test_no_event_is_compared_with_the_slices_of_all_accounts(duckdb_warehouse):
    """With an OR in its condition an outer join looks at every pair: hours, where a tier changes in most days."""
    put(duckdb_warehouse, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    run_sql(duckdb_warehouse, "UPDATE account_tiers SET valid_from = TIMESTAMPTZ '2026-10-05 12:00:01+00'")
    built(duckdb_warehouse)
    statement = select(func.count()).select_from(countable_events(FIRST, LAST, deduplicate=True, slices=True))
    with warehouse(duckdb_warehouse) as opened, opened.begin() as connection:
        options = {"schema_translate_map": connection.get_execution_options()["schema_translate_map"]}
        text = statement.compile(
            connection, compile_kwargs={"literal_binds": True}, render_schema_translate=True, **options
        )
        plan = connection.exec_driver_sql(f"EXPLAIN {text}").all()[0][1]
    assert "HASH_JOIN" in plan
    assert "NL_JOIN" not in plan


def test_a_tier_change_recorded_afterwards_cuts_the_day_anew(url):
    put(url, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    built(url)
    run_sql(url, "UPDATE account_tiers SET valid_to = TIMESTAMPTZ '2026-10-05 12:00:01+00'")
    put(url, {"account_tiers": [{"account_id": "a", "tier": "scale", "valid_from": at("2026-10-05T12:00:01")}]})
    assert list(built(url)) == [date(2026, 10, 5)]
    d = account_day.c
    assert rows(url, select(d.n_requests).order_by(d.slice_start)) == [(1,), (2,)]


def test_buckets_count_the_same_whether_days_are_built_together_or_one_by_one(url):
    day = {
        "source_system": "export", "ingested_ts": at("2026-11-01"), "account_id": "a", "input_tokens": 900,
        "output_tokens": 100, "n_requests": 7,
    }  # fmt: skip
    days = [
        day | {"bucket_start": at(f"2026-10-0{n}"), "bucket_end": at(f"2026-10-0{n + 1}"), "n_requests": n}
        for n in range(1, 6)
    ]
    month = day | {"bucket_start": at("2026-10-01"), "bucket_end": at("2026-11-01"), "n_requests": 99}
    put(url, together(account("a"), REFERENCE, {"usage_buckets": [*days, month]}))
    built(url)
    d = account_day.c
    at_once = rows(url, select(d.day, d.n_requests, d.output_tokens).order_by(d.day, d.n_requests))
    assert len(at_once) == 6
    with warehouse(url, write=True) as opened:
        for one in {row[0] for row in at_once}:
            with opened.begin() as connection:
                roll_up(connection, one, one)
    assert rows(url, select(d.day, d.n_requests, d.output_tokens).order_by(d.day, d.n_requests)) == at_once


def test_buckets_count_what_is_not_known_from_single_requests(url):
    bucket = {
        "source_system": "openai", "bucket_start": at("2026-10-05"), "bucket_end": at("2026-10-06"),
        "ingested_ts": at("2026-10-06"), "account_id": "b", "input_tokens": 900, "output_tokens": 100, "n_requests": 7,
    }  # fmt: skip
    put(
        url,
        together(
            account("a"), account("b"), REFERENCE,
            {"usage_events": events("a", "2026-10-05", 2)},
            {"usage_buckets": [bucket, bucket, bucket | {"account_id": "a"}]},
        ),
    )  # fmt: skip
    built(url)
    d = account_day.c
    found = select(d.account_id, d.grain, d.n_requests, d.output_tokens).order_by(d.account_id, d.grain.desc())
    assert rows(url, found) == [
        ("a", "event", 2, 100), ("a", "bucket", 5, 0), ("b", "bucket", 7, 100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("score", "tenth"),
    [(0.0, 0), (0.49, 0), (0.4999, 0), (0.5, 5), (0.79, 7), (0.7999, 7), (0.8, 8), (0.85, 8), (1.0, 9)],
)
def test_a_score_falls_into_its_tenth_on_every_engine(url, score, tenth):
    put(url, together(account("a"), REFERENCE, {"usage_events": [event(1, "a", "2026-10-05", cot_elicit_score=score)]}))
    built(url)
    assert rows(url, select(account_score_day.c.cot_elicit_score_tenth)) == [(tenth,)]


def test_a_blocked_source_is_left_out_of_its_day_and_comes_back_with_the_verdict(url):
    put(
        url,
        together(
            account("a"), account("b"), REFERENCE,
            {"usage_events": events("a", "2026-10-05", 2)},
            {"usage_events": events("b", "2026-10-05", 3, source_system="litellm")},
        ),
    )  # fmt: skip
    with warehouse(url, write=True) as opened:
        refresh(opened, FIRST, LAST, blocked={date(2026, 10, 5): ("litellm",)})
    assert by_day(url) == [(date(2026, 10, 5), "a", 2)]
    assert built(url) == {date(2026, 10, 5): "another verdict on the quality of its data"}
    assert sorted(by_day(url)) == [(date(2026, 10, 5), "a", 2), (date(2026, 10, 5), "b", 3)]


def test_rollups_of_another_layout_are_built_anew(url):
    put(url, together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)}))
    built(url)
    run_sql(own(url), "ALTER TABLE audit.account_hour ADD COLUMN left_by_another_version INTEGER")
    assert len(built(url)) == 31
    assert by_day(url) == [(date(2026, 10, 5), "a", 3)]
