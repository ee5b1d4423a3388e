"""What the gate finds in rows, and that it leaves sound rows alone."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from audits import quality, rollups
from audits.errors import AuditsError
from audits.quality.arrivals import shift_of
from audits.quality.offending import KEYS_KEPT
from audits.rollups.account_day import account_day
from audits.rollups.auth_day import auth_day
from audits.warehouse import warehouse
from audits.warehouse.check import check as doctor
from tests.quality.data import DAY, HOURS, SHIPPED, change, checks, judged, limits, requests, verdict, weeks, world
from tests.rows import at, put, run_sql

ROWS = requests()
LAST = sorted(row["event_id"] for row in ROWS[-2:])
MOMENT = at(f"{DAY}T20:00")
SPOILT = {
    "impossible_token_share": {"output_tokens": -1},
    "over_context_share": {"input_tokens": 400_001},
    "empty_key_share": {"api_key_hash": ""},
    "unmapped_account_share": {"account_id": "UNMAPPED"},
    "orphan_account_share": {"account_id": "nobody"},
    "orphan_key_share": {"api_key_hash": "strange"},
    "late_share": {"ingested_ts": MOMENT + timedelta(hours=26, minutes=20)},
    "future_share": {"ingested_ts": MOMENT - timedelta(minutes=10)},
    "raw_secret_rows": {"end_user_hash": "sk-live-1234567890"},
    "unknown_model_share": {"model_served": "m-9"},
}


def test_a_sound_day_is_good_and_has_no_reasons(url):
    one = verdict(url, weeks(), ROWS)
    assert (one.day, one.source_system, one.verdict, one.reasons) == (DAY, "native", "good", ())


def by_source(url, kinds, **changed):
    """A warehouse with a source for each kind of spoilt rows, and the verdict on each source."""
    put(
        url,
        world(
            *(
                [
                    row | {"source_system": kind, "event_id": f"{kind}:{row['event_id']}"}
                    for row in change(ROWS, count, **columns)
                ]
                for kind, (count, columns) in kinds.items()
            )
        ),
    )
    return {one.source_system: one for one in judged(url, **changed)}


def test_spoilt_rows_fail_their_own_check_and_can_be_found_again(url):
    small = dict.fromkeys(("empty_key_share", "unmapped_account_share", "late_share"), 0.01)
    verdicts = by_source(url, {check: (2, columns) for check, columns in SPOILT.items()}, **small)
    assert set(verdicts) == set(SPOILT)
    for check, one in verdicts.items():
        reason = checks(one)[check]
        assert set(checks(one)) - {"negative_rows"} == {check}
        assert (reason.rows, reason.hours) == (2, (20,))
        assert reason.what.startswith("2 ")
        assert one.verdict == {"block": "blocked", "degrade": "degraded", "warn": "good"}[reason.severity]
        assert reason.rules == (() if reason.severity == "warn" else limits()[check].not_evaluated)
        assert list(reason.keys) == [f"{check}:{event}" for event in LAST]


def test_each_way_to_be_impossible_counts(url):
    ways = {
        "cached": {"cached_input_tokens": 101},
        "reasoning": {"reasoning_tokens": 51},
        "negative": {"input_tokens": -3, "cached_input_tokens": None},
    }
    verdicts = by_source(url, {name: (2, columns) for name, columns in ways.items()})
    assert {name: checks(one)["impossible_token_share"].rows for name, one in verdicts.items()} == dict.fromkeys(
        ways, 2
    )


def test_raw_text_in_any_column_for_digests_blocks_the_day_and_is_copied_nowhere(url):
    raw = {
        "api_key_hash": "sk-proj-abc",
        "session_id": "Please translate this letter",
        "system_prompt_hash": "请把这封信翻译成英文",
        "prompt_template_hash": "x" * 201,
        "user_agent_family": "AIzaSyAbc",
        "client_ip_hash": "203.0.113.7",
        "client_net_hash": "2001:db8::/48",
    }
    for column, one in by_source(url, {column: (1, {column: value}) for column, value in raw.items()}).items():
        assert one.verdict == "blocked", column
        reason = checks(one)["raw_secret_rows"]
        assert raw[column] not in str(reason)
        assert reason.keys == (f"{column}:{ROWS[-1]['event_id']}",)


def test_raw_sign_ins_block_their_day_and_are_rolled_up_nowhere(url):
    signin = {"auth_event_id": "s-1", "event_ts": MOMENT, "ingested_ts": MOMENT, "outcome": "invalid_key"}
    raw = {"client_net_hash": "203.0.113.0/24", "api_key_hash": "sk-live-1"}
    put(url, world(weeks(), ROWS) | {"auth_events": [signin, signin | raw | {"auth_event_id": "s-2"}]})
    verdicts = {one.source_system: one for one in judged(url)}
    assert verdicts["native"].verdict == "good"
    assert verdicts["auth_events"].verdict == "blocked"
    assert checks(verdicts["auth_events"])["raw_secret_rows"].what == (
        "1 row holds what looks like an API key in auth_events.api_key_hash; "
        "1 row holds what looks like a network address in auth_events.client_net_hash"
    )
    with warehouse(url, write=True) as opened:
        rollups.refresh(opened, DAY, DAY, blocked=quality.blocked(verdicts.values()))
        with opened.begin() as connection:
            assert connection.execute(select(auth_day)).all() == []


def test_raw_text_in_a_dimension_stops_everything_and_is_named_without_its_value(url):
    put(url, world(ROWS))
    run_sql(url, "UPDATE customers SET name = 'alice@example.com' WHERE customer_id = 'c-a'")
    with pytest.raises(AuditsError, match=r"an e-mail address in customers\.name") as caught:
        judged(url)
    assert "alice" not in str(caught.value)
    problems = [one for one in doctor(url, now=MOMENT) if one.where == "customers.name"]
    assert [one.severity for one in problems] == ["error"]


def test_digests_and_families_are_no_secrets(url):
    harmless = {
        "user_agent_family": "Mozilla Firefox on Linux",
        "client_ip_hash": "sha256:v1:2f8a5c",
        "api_key_hash": "d" * 128,
        "session_id": "a.b.c.d",
        "system_prompt_hash": None,
    }
    verdicts = by_source(url, {column: (1, {column: value}) for column, value in harmless.items()})
    assert {column for column, one in verdicts.items() if one.verdict != "good"} == set()


def test_card_numbers_as_sessions_block_their_day(url):
    cards = [row | {"session_id": ("4111111111111111", "5500005555555559")[n % 2]} for n, row in enumerate(ROWS)]
    one = verdict(url, cards)
    assert one.verdict == "blocked"
    assert checks(one)["raw_secret_rows"].what == (
        "72 rows hold what looks like a payment card number in usage_events.session_id"
    )


def test_a_day_that_was_mended_in_place_is_not_blocked_any_more(url):
    assert verdict(url, change(ROWS, 1, session_id="two words")).verdict == "blocked"
    run_sql(url, "UPDATE usage_events SET session_id = 'digest' WHERE session_id = 'two words'")
    (one,) = judged(url)
    assert one.verdict == "good"


def say_otherwise(rows, tokens):
    """The rows once more under the same ids, with other token counts."""
    return [row | {"output_tokens": row["output_tokens"] + tokens} for row in rows]


def test_conflicting_rows_are_counted_beyond_the_first_and_many_of_them_block(url):
    one = verdict(url, ROWS, say_otherwise(ROWS[-3:], 1), say_otherwise(ROWS[-3:], 2))
    assert checks(one)["duplicate_share"].rows == 6
    assert one.verdict == "degraded"
    put(url, {"usage_events": say_otherwise(ROWS[:20], 1)})
    (one,) = judged(url)
    assert set(checks(one)) == {"duplicate_share_block"}  # which says the same rows, and blocks
    assert one.verdict == "blocked"
    in_order = sorted(ROWS[:20], key=lambda row: (row["event_ts"], row["event_id"]))
    earliest = tuple(row["event_id"] for row in in_order[:KEYS_KEPT])
    assert one.reasons[0].rows > KEYS_KEPT
    assert one.reasons[0].keys == earliest


def again(rows, hours=1):
    """The same rows, delivered once more."""
    return [row | {"ingested_ts": row["ingested_ts"] + timedelta(hours=hours)} for row in rows]


@pytest.mark.parametrize("times", [1, 3])
def test_rows_that_were_delivered_again_are_named_and_change_nothing(url, times):
    loads = [row for n in range(1, times + 1) for row in again(ROWS, n)]
    one = verdict(url, ROWS, loads)
    assert (one.verdict, set(checks(one))) == ("good", {"repeated_rows"})
    note = checks(one)["repeated_rows"]
    assert (note.severity, note.rows, note.rules) == ("warn", 72 * times, ())
    assert note.what == f"{72 * times} rows were delivered again and set aside; 72 count"
    assert len(note.keys) == KEYS_KEPT


def test_a_day_with_faults_has_the_same_verdict_when_its_rows_are_delivered_again(url):
    today = [
        *change(requests(hours=(9, 20)), 2, output_tokens=-1),
        *say_otherwise(ROWS[:1], 5),
        *requests(hours=(13,))[::2],
    ]
    put(url, world(weeks(), today))
    (before,) = judged(url)
    put(url, {"usage_events": [*again(weeks(), 26), *again(today), *today, *again(today, 30)]})
    (after,) = judged(url)
    assert {check: reason for check, reason in checks(after).items() if check != "repeated_rows"} == checks(before)
    assert before.figures | {"repeated_rows": 0} == after.figures | {"repeated_rows": 0}


def test_copies_of_a_row_that_conflicts_count_as_one(url):
    other = say_otherwise(ROWS[:2], 1)
    one = verdict(url, ROWS, other, again(other), other)
    assert {check: reason.rows for check, reason in checks(one).items()} == {"duplicate_share": 2, "repeated_rows": 4}


def test_an_id_that_looks_like_a_secret_is_kept_as_its_digest(url):
    secret = "sk-live-abcdefghij1234567890"
    impossible = change(ROWS, 2, output_tokens=-1)[-2:]
    one = verdict(url, [row | {"event_id": f"{secret}{n}"} for n, row in enumerate(impossible)], ROWS[:-2])
    kept = checks(one)["impossible_token_share"].keys
    assert len(kept) == 2
    assert all(key.startswith("sha256:") for key in kept)
    assert secret not in str(one)


def test_one_row_is_a_slip_and_no_share(url):
    one = verdict(url, change(ROWS, 1, output_tokens=-1))
    assert (one.verdict, set(checks(one))) == ("good", {"negative_rows"})
    note = checks(one)["negative_rows"]
    assert (note.severity, note.rows, note.rules) == ("warn", 1, ())
    assert note.what == "1 row left out because its tokens or cost are below zero"


def test_keys_are_revoked_from_then_on_and_only_for_requests_that_succeed(url):
    failed = requests(hours=(21,), accounts="f", status_code=401)
    put(url, world(ROWS, failed))
    run_sql(url, f"UPDATE api_keys SET revoked_at = '{DAY} 20:00:00+00' WHERE account_id = 'f'")
    (one,) = judged(url)
    assert checks(one)["orphan_key_share"].rows == 4  # of the hour from 20:00, not those of 9:00 and 13:00
    run_sql(url, "UPDATE api_keys SET revoked_at = NULL")
    (one,) = judged(url)
    assert "orphan_key_share" not in checks(one)


def test_against_an_empty_table_nothing_is_unknown(url):
    put(url, world(change(ROWS, 2, api_key_hash="strange", model_served="m-9")))
    run_sql(url, "DELETE FROM api_keys", "DELETE FROM models")
    (one,) = judged(url)
    assert one.reasons == ()


def arriving(rows, delay):
    """The rows, arriving as ``delay`` says of the instant of each."""
    return [row | {"ingested_ts": row["event_ts"] + delay(row["event_ts"])} for row in rows]


def next_hour(moment):
    return timedelta(hours=1, minutes=2) - timedelta(minutes=moment.minute, seconds=moment.second)


def test_local_time_taken_for_utc_is_seen_in_the_arrivals(url):
    shifted = arriving(ROWS, lambda _: timedelta(hours=5, seconds=30))
    assert set(checks(verdict(url, weeks(), shifted))) == {"shifted_share"}


def test_a_shift_is_seen_in_data_that_arrives_by_the_hour(url):
    spread = [row | {"event_ts": row["event_ts"] + timedelta(minutes=7 * (i % 8))} for i, row in enumerate(weeks())]
    today = [row | {"event_ts": row["event_ts"] + timedelta(minutes=7 * (i % 8))} for i, row in enumerate(ROWS)]
    shifted = [row | {"event_ts": row["event_ts"] - timedelta(hours=3)} for row in arriving(today, next_hour)]
    reason = checks(verdict(url, arriving(spread, next_hour), shifted, hour_rows_min=1000))["shifted_share"]
    assert reason.what == "72 of 72 rows arrived 3 hours later than usual"


def test_a_lag_that_is_usual_is_no_shift(url):
    assert verdict(url, *(arriving(rows, lambda _: timedelta(hours=2)) for rows in (weeks(), ROWS))).reasons == ()


@pytest.mark.parametrize("rows", [60, 650])
def test_few_rows_that_arrive_once_a_day_are_no_shift(rows):
    chance = random.Random(rows)

    def delays() -> Counter[int]:
        """Quarter hours until two o'clock in the next night, of requests at any time of the day."""
        return Counter(int(4 * (26 - 24 * chance.random())) for _ in range(rows))

    for _ in range(100):
        shift = shift_of(delays(), [delays() for _ in range(4)])
        assert shift.share < SHIPPED["shifted_share"].limit


def test_arrivals_once_a_day_are_no_shift(url):
    batch = at(DAY.isoformat()) + timedelta(days=1, minutes=40)
    assert verdict(url, [row | {"ingested_ts": batch} for row in ROWS]).reasons == ()


def test_a_source_without_any_failure_does_not_export_them(url):
    one = verdict(url, [row | {"status_code": 200} for row in ROWS], busy_requests_without_failure=50)
    reason = checks(one)["busy_requests_without_failure"]
    assert (reason.rows, reason.accounts, reason.rules) == (72, (), ("R10", "R22", "R24"))


def test_failures_that_are_missing_for_weeks_are_missed_at_a_modest_volume(url):
    days = [requests(DAY - timedelta(days=back), hours=(9,), status_code=200) for back in range(20)]
    one = verdict(url, *days, busy_requests_without_failure=400)  # 24 a day
    reason = checks(one)["busy_requests_without_failure"]
    assert (reason.rows, reason.accounts) == (480, ())


def test_a_cost_below_zero_is_impossible(url):
    reason = checks(verdict(url, weeks(), change(ROWS, 2, cost_usd=-0.5)))["impossible_token_share"]
    assert reason.rows == 2


def test_the_same_id_on_two_days_counts_once_on_the_earlier_in_whatever_order_they_come(url):
    again = [row | {"event_ts": row["event_ts"] - timedelta(days=2)} for row in ROWS[:3]]
    put(url, world(ROWS))
    assert judged(url)[0].reasons == ()
    put(url, {"usage_events": again})  # late: the later day is found again
    before, after = judged(url, DAY - timedelta(days=2), DAY)  # the day between has neither rows nor a history
    assert "duplicate_share" not in checks(before)
    assert checks(after)["duplicate_share"].rows == 3
    with warehouse(url, write=True) as opened:
        rollups.refresh(opened, DAY - timedelta(days=2), DAY)
        with opened.begin() as connection:
            d = account_day.c
            counts = connection.execute(select(d.day, func.sum(d.n_requests)).group_by(d.day).order_by(d.day)).all()
    assert [int(n) for _, n in counts] == [3, len(ROWS) - 3]


def test_a_busy_account_without_any_failure_concerns_that_account(url):
    rows = [row | ({"status_code": 200} if row["account_id"] == "c" else {}) for row in ROWS]
    one = verdict(
        url, rows, requests(accounts="c", hours=(14,), each=10, status_code=200), busy_requests_without_failure=20
    )
    assert checks(one)["busy_requests_without_failure"].accounts == ("c",)


def test_one_address_for_nearly_everybody_is_a_gateway(url):
    one = verdict(url, [row | {"client_ip_hash": "gateway"} for row in ROWS])
    assert set(checks(one)["one_address_share"].rules) >= {"R14", "R17"}


def test_one_account_with_one_server_is_no_gateway(url):
    rows = requests(accounts="a", client_ip_hash="server")
    assert "one_address_share" not in checks(verdict(url, rows))


def test_a_source_that_records_no_address_and_no_key_is_not_judged_by_them(url):
    assert verdict(url, [row | {"client_ip_hash": None, "api_key_hash": None} for row in ROWS]).reasons == ()


def test_both_sources_of_a_day_have_their_own_verdict(url):
    put(url, world(ROWS, requests(source_system="otel", accounts="a", hours=HOURS[:1]), []))
    run_sql(
        url, "UPDATE usage_events SET event_id = 'otel:' || event_id, output_tokens = -5 WHERE source_system = 'otel'"
    )
    assert [(one.source_system, one.verdict) for one in judged(url)] == [("native", "good"), ("otel", "degraded")]


def test_what_is_absent_altogether_is_not_recorded_and_fails_nothing(url):
    put(url, world(ROWS))
    run_sql(
        url,
        *(f"DROP TABLE {table}" for table in ("api_keys", "models", "billed_usage", "usage_buckets", "auth_events")),
        *(f"ALTER TABLE usage_events DROP COLUMN {column}" for column in ("client_ip_hash", "session_id", "cost_usd")),
    )
    (one,) = judged(url)
    assert one.reasons == ()
