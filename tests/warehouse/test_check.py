"""The doctor names what is wrong, where, and the statement that puts it right."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from audits.errors import AuditsError
from audits.warehouse.check import check
from audits.warehouse.tables import usage_events
from audits.warehouse.vocabulary import WORDS
from tests.rows import REFERENCE, account, at, events, put, run_sql, together

NOW = datetime(2026, 11, 4, tzinfo=UTC)
WORLD = together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)})


@pytest.fixture
def url(url: str) -> str:
    """The same warehouse with somebody in it."""
    put(url, WORLD)
    return url


def found(url: str, severity: str) -> dict[str, str]:
    return {problem.where: problem.fix for problem in check(url, now=NOW) if problem.severity == severity}


def as_role(url: str, name: str, *rights: str) -> str:
    """A role of that name with these rights only."""
    run_sql(url, f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name} LOGIN", *(right.format(name) for right in rights))
    return make_url(url).set(username=name).render_as_string()


def test_a_sound_warehouse_has_no_errors(url):
    assert found(url, "error") == {}
    assert found(url, "not recorded") == {}


def test_wrong_types_come_with_the_statement_to_run(url):
    run_sql(
        url,
        "ALTER TABLE usage_events ALTER COLUMN ingested_ts TYPE TIMESTAMP USING ingested_ts AT TIME ZONE 'UTC'",
        "ALTER TABLE customers ALTER COLUMN valid_from TYPE VARCHAR USING CAST(valid_from AS VARCHAR)",
    )
    wrong = found(url, "error")
    assert set(wrong) == {"usage_events.ingested_ts", "customers.valid_from"}
    run_sql(url, wrong["usage_events.ingested_ts"].removeprefix("If it is UTC: "), wrong["customers.valid_from"])
    assert found(url, "error") == {}


def test_rows_that_are_never_in_force_are_reported(url):
    gone = {"valid_from": at("2026-10-02"), "valid_to": at("2026-10-02")}
    put(
        url,
        {
            "account_tiers": [{"account_id": "a", "tier": "free", **gone}],
            "api_keys": [{"api_key_hash": "k", "account_id": "a", "created_at": NOW, "revoked_at": at("2026-10-02")}],
        },
    )
    assert set(found(url, "advice")) >= {"account_tiers.valid_to", "api_keys.revoked_at"}


def test_an_account_of_two_customers_is_reported(url):
    put(url, {"accounts": [{"account_id": "a", "customer_id": "c-other", "opened_at": at("2026-10-02")}]})
    assert "accounts.customer_id" in found(url, "advice")


def test_nulls_where_the_contract_allows_none_are_counted(url):
    run_sql(
        url,
        "ALTER TABLE usage_events ALTER COLUMN account_id DROP NOT NULL",
        "UPDATE usage_events SET account_id = NULL WHERE event_id = 'native:a-2026-10-05-1'",
    )
    (problem,) = [one for one in check(url, now=NOW) if one.severity == "error"]
    assert (problem.where, problem.what[:6]) == ("usage_events.account_id", "1 rows")
    assert "'UNMAPPED'" in problem.fix


def test_absent_tables_and_columns_are_not_recorded(url):
    run_sql(url, "DROP TABLE territories", "ALTER TABLE api_keys DROP COLUMN serverless")
    assert set(found(url, "not recorded")) == {"territories", "api_keys.serverless"}


def test_events_of_the_future_and_empty_tables_are_pointed_out(url):
    put(url, {"usage_events": events("a", "2027-10-05", 2, prefix="far-")})
    run_sql(url, "DELETE FROM customers")
    assert {"usage_events.event_ts", "customers"} <= set(found(url, "advice"))


def test_rights_that_are_missing_come_with_the_grant(postgres_url):
    put(postgres_url, WORLD)
    poor = as_role(postgres_url, "poor_reader", "GRANT SELECT ON usage_events, customers, accounts TO {}")
    wrong = found(poor, "error")
    assert wrong["account_tiers"] == "GRANT SELECT ON account_tiers TO ...;"
    assert wrong["schema audit"] == "CREATE SCHEMA audit AUTHORIZATION poor_reader;"
    assert set(found(poor, "not recorded")) >= {"api_keys", "models"}
    run_sql(postgres_url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor_reader", wrong["schema audit"])
    assert found(poor, "error") == {}
    assert "role poor_reader" not in found(poor, "advice")
    run_sql(postgres_url, "DROP OWNED BY poor_reader", "DROP ROLE poor_reader")


def test_a_role_that_could_write_and_a_missing_index_are_advised_on(postgres_url):
    put(postgres_url, WORLD)
    advice = found(postgres_url, "advice")
    assert set(advice) == {"role postgres", "usage_events"}
    run_sql(postgres_url, "CREATE INDEX ON usage_events (event_ts, ingested_ts)")
    assert "usage_events" not in found(postgres_url, "advice")


def test_a_column_that_may_not_be_read_counts_as_absent(postgres_url):
    put(postgres_url, WORLD)
    narrow = as_role(
        postgres_url, "narrow_reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        "REVOKE SELECT ON models FROM {}",
        "GRANT SELECT (model, family, frontier, released_at, retired_at) ON models TO {}",
        "CREATE SCHEMA audit AUTHORIZATION {}",
    )  # fmt: skip
    assert found(narrow, "error") == {}
    assert set(found(narrow, "not recorded")) == {"models.predecessor", "models.context_window"}
    run_sql(postgres_url, "DROP OWNED BY narrow_reader", "DROP ROLE narrow_reader")


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "no url at all", "duckdb:////nowhere/at/all.duckdb", "postgresql://127.0.0.1:1/x"]
)
def test_a_warehouse_that_cannot_be_opened_is_a_matter_of_configuration(url):
    with pytest.raises(AuditsError) as caught:
        check(url, now=NOW)
    assert caught.value.exit_code == 2
    assert caught.value.fix


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "notes.duckdb").write_text("not a database")
    with pytest.raises(AuditsError, match=r"notes\.duckdb"):
        check(f"duckdb:///{tmp_path / 'notes.duckdb'}", now=NOW)


def test_words_that_nobody_agreed_on_are_counted_and_not_printed(url):
    put(url, {"territories": [{"country": "XX", "status": "Embargoed!", "valid_from": at("2026-01-01")},
                              {"country": "YY", "status": " Supported", "valid_from": at("2026-01-01")}]})  # fmt: skip
    run_sql(url, "UPDATE customers SET kyc_status = 'approved-by-us'")
    problems = [one for one in check(url, now=NOW) if one.severity == "advice"]
    told = {one.where: one.what for one in problems}
    assert told["territories.status"].startswith(
        "1 row holds a word that is none of supported, unsupported, sanctioned"
    )
    assert told["customers.kyc_status"].startswith("1 row holds a word that is none of verified, pending, failed, none")
    assert not [one for one in problems if "mbargoed" in one.what + one.fix or "approved" in one.what + one.fix]


def test_other_spellings_of_agreed_words_are_told_of_no_column_and_other_words_of_each(url):
    words = {c.name: agreed[0] for c, agreed in WORDS.items() if c.table is usage_events}
    for column, word in words.items():
        run_sql(url, f"UPDATE usage_events SET {column} = ' {word.upper()} '")
    named = {f"usage_events.{column}" for column in words}
    assert not named & set(found(url, "advice"))
    for column in words:
        run_sql(url, f"UPDATE usage_events SET {column} = 'no such word'")
    assert named <= set(found(url, "advice"))


def test_a_sound_warehouse_has_agreed_words_only(url):
    assert not [where for where in found(url, "advice") if "." in where]


def test_exports_of_one_day_in_several_groupings_are_told(url):
    bucket = {
        "source_system": "openai", "bucket_start": at("2026-10-05"), "bucket_end": at("2026-10-06"),
        "ingested_ts": at("2026-10-07"), "account_id": "a", "input_tokens": 10, "output_tokens": 5,
    }  # fmt: skip
    hour = bucket | {"bucket_end": at("2026-10-05T01:00"), "model": "m-1"}
    put(url, {"usage_buckets": [bucket | {"model": "m-1"}, bucket | {"model": "m-2"}]})
    assert not [where for where in found(url, "advice") if where.startswith("usage_buckets")]
    put(url, {"usage_buckets": [bucket, hour]})
    (told,) = [one for one in check(url, now=NOW) if one.where == "usage_buckets, source openai"]
    assert told.what.startswith(
        "buckets overlap on 1 day (2026-10-05), exported by the hour, model and by the day, model and "
        "by the day, not broken down. Of buckets that overlap"
    )
    assert "Export every day once" in told.fix
