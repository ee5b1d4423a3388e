"""Compliant only where it was evaluated: what is missing in the data is named in the cells, on both engines."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audits import pipeline
from audits.cli import app
from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.coverage import checks_of, linkage_of, unevaluated_customers
from audits.ledger.read import latest_runs
from audits.periods import Period
from audits.rules.engine.doubts import UNCOUNTED
from audits.rules.engine.volume import SHARED
from audits.settings import Settings
from tests.rows import REFERENCE, account, at, event, events, put, together

WEEK = Period.parse("2026-W41")
NOW = datetime(2026, 11, 10, tzinfo=UTC)
BLOCKING = {"system_prompt_hash": "You are a helpful assistant that answers briefly"}
Cells = dict[tuple[str, str], tuple[str, str]]


def bucket(name: str, day: str, **columns: Any) -> dict[str, Any]:
    """A day's bucket of an account."""
    start = at(day)
    return {
        "source_system": "export", "bucket_start": start, "bucket_end": start + timedelta(days=1), "ingested_ts": start,
        "account_id": name, "input_tokens": 500, "output_tokens": 100, "n_requests": 5,
    } | columns  # fmt: skip


def audited(url: str, folder: Path, *parts: dict[str, list[dict[str, Any]]]) -> Settings:
    """A week of these rows, audited and recorded; nothing is rendered."""
    put(url, together(REFERENCE, *parts))
    settings = Settings(url, f"sqlite:///{folder / 'ledger.sqlite'}", folder / "out")
    pipeline.prepare(settings, WEEK, now=NOW)
    pipeline.evaluate(settings, WEEK, now=NOW)
    return settings


def coverage(settings: Settings, *options: str) -> Any:
    """What ``audits coverage`` prints."""
    env = {"AUDITS_WAREHOUSE_URL": settings.warehouse_url, "AUDITS_LEDGER_URL": settings.ledger_url, "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["coverage", "--period", WEEK.id, *options], env=env)
    if isinstance(result.exception, AuditsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def cells(settings: Settings, *options: str) -> Cells:
    """(customer, rule) -> (verdict, reason) of every cell that is not compliant."""
    found = json.loads(coverage(settings, "--format", "json", *options))
    return {(one["customer_id"], one["rule_id"]): (one["verdict"], one["reason"]) for one in found}


def test_what_is_missing_leaves_cells_not_evaluated(url: str, tmp_path: Path) -> None:
    days = [f"2026-10-{day:02}" for day in range(5, 12)]
    settings = audited(
        url,
        tmp_path,
        *(account(name) for name in ("whole", "mixed", "uncounted", "dark", "half-dark", "idle", "resale")),
        account("odd", "gold"),
        {"usage_events": [one for day in days for one in events("whole", day, 3)]},
        {
            "usage_events": events("mixed", days[0], 1),
            "usage_buckets": [bucket("mixed", day, n_requests=3_000) for day in days[1:]],
        },
        {"usage_buckets": [bucket("uncounted", day, n_requests=None) for day in days]},
        {"usage_events": [one for day in days[:2] for one in events("dark", day, 2, source_system="bad", **BLOCKING)]},
        {"usage_events": events("half-dark", days[0], 2, source_system="bad", **BLOCKING)},
        {"usage_events": events("half-dark", days[6], 2)},
        {"usage_events": events("odd", days[0], 2)},
    )
    found = cells(settings)

    def of(customer: str, rule: str) -> tuple[str, str]:
        return found.get((f"c-{customer}", rule), ("compliant", ""))

    assert of("whole", "R01") == ("compliant", "")
    for rule in ("R01", "R05", "R14", "R27"):
        for customer in ("dark", "half-dark"):
            verdict, reason = of(customer, rule)
            assert verdict == "not_evaluated"
            assert "2026-10-05: blocked" in reason
    assert of("idle", "R01") == ("not_applicable", "no usage in the period")
    assert of("mixed", "R05") == ("not_evaluated", "only bucketed usage is recorded on some days")
    assert of("mixed", "R01") == ("compliant", "")
    assert of("uncounted", "R01") == ("not_evaluated", UNCOUNTED)
    assert of("uncounted", "R05") == ("not_evaluated", "only bucketed usage is recorded")
    assert of("odd", "R01") == ("not_evaluated", "tier gold is not in the policy book")
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [run] = latest_runs(session)
        assert run.status == "partial"
        assert unevaluated_customers(session, run.id, "build") >= {"c-dark"}
        assert unevaluated_customers(session, run.id, "gold") == {"c-odd"}
        checks = checks_of(session, [run.id])
        assert checks[run.id, "gold"].none_evaluated
        assert not checks[run.id, "build"].none_evaluated
        assert not unevaluated_customers(session, run.id, "build") & {"c-whole", "c-idle"}
    answer = CliRunner().invoke(
        app, ["standing", "c-dark", "--at", "2026-10-20", "--format", "json"],
        env={"AUDITS_WAREHOUSE_URL": url, "AUDITS_LEDGER_URL": settings.ledger_url},
    )  # fmt: skip
    assert json.loads(answer.output)["standing"] == "not_evaluated"


def test_a_violation_on_the_days_that_are_known_stands(duckdb_warehouse: str, tmp_path: Path) -> None:
    settings = audited(
        duckdb_warehouse,
        tmp_path,
        account("loud", "free"),
        {"usage_events": events("loud", "2026-10-05", 501)},
        {"usage_events": events("loud", "2026-10-07", 2, source_system="bad", **BLOCKING)},
    )
    assert cells(settings)["c-loud", "R01"] == ("violating", "")
    assert cells(settings)["c-loud", "R05"][0] == "not_evaluated"


def test_a_bucket_that_says_its_requests_is_not_said_to_lack_them(duckdb_warehouse: str, tmp_path: Path) -> None:
    whose = {"source_system": "export", "api_key_hash": None}  # nobody knows whether they are in the bucket of the key
    settings = audited(
        duckdb_warehouse,
        tmp_path,
        account("mixed", "free"),
        {"usage_events": events("mixed", "2026-10-05", 3, **whose)},
        {"usage_buckets": [bucket("mixed", "2026-10-05", api_key_hash="k", n_requests=499)]},
    )
    verdict, reason = cells(settings)["c-mixed", "R01"]
    assert verdict == "not_evaluated"
    assert reason == SHARED
    assert "not recorded:" not in reason


def test_a_closed_account_that_was_used_on_a_blocked_day_only_is_not_evaluated(url: str, tmp_path: Path) -> None:
    closed = {"accounts": [{"account_id": "bare", "customer_id": "c-bare", "opened_at": at("2026-01-01")}]}
    ended = account("ended")
    for one in (*ended["accounts"], *closed["accounts"]):
        one["closed_at"] = at("2026-07-01")
    settings = audited(
        url,
        tmp_path,
        *(ended, closed, account("whole")),
        {"usage_events": events("whole", "2026-10-06", 3)},
        {"usage_events": events("ended", "2026-10-05", 2, source_system="bad", **BLOCKING)},
        {"usage_events": events("bare", "2026-10-05", 2, source_system="bad", **BLOCKING)},
    )
    found = cells(settings)
    assert found["c-ended", "R01"][0] == "not_evaluated"
    assert "2026-10-05: blocked" in found["c-ended", "R01"][1]
    assert found["c-bare", "R01"] == ("not_evaluated", "no tier is on record for the usage")


def test_nothing_that_links_accounts_is_recorded(duckdb_warehouse: str, tmp_path: Path) -> None:
    bare = dict.fromkeys(("client_net_hash", "client_ip_hash", "system_prompt_hash", "prompt_template_hash"))
    settings = audited(
        duckdb_warehouse, tmp_path, account("a"), account("b"),
        {"usage_events": [one for name in "ab" for one in events(name, "2026-10-06", 30, **bare)]},
    )  # fmt: skip
    found = cells(settings)
    for rule in ("R04", "R10", "R12", "R13", "R02"):
        assert found["c-a", rule] == ("not_evaluated", "not recorded: anything that links accounts")
    assert ("c-a", "R01") not in found
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [run] = latest_runs(session)
        assert run.status == "complete"
        assert any("links accounts" in note for note in run.notes)
        assert "payment_instrument" in linkage_of(run).without


def test_a_period_whose_days_are_all_blocked_has_no_answer(duckdb_warehouse: str, tmp_path: Path) -> None:
    settings = audited(
        duckdb_warehouse, tmp_path, account("a"), account("b"),
        {"usage_events": [event(f"{name}{day}", name, f"2026-10-{day:02}", **BLOCKING)
                          for name in "ab" for day in range(5, 12)]},
    )  # fmt: skip
    found = cells(settings)
    assert {verdict for verdict, _ in found.values()} <= {"not_evaluated", "not_applicable"}
    assert len(found) == 2 * 29
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [run] = latest_runs(session)
        assert unevaluated_customers(session, run.id, "build") == {"c-a", "c-b"}
        assert checks_of(session, [run.id])[run.id, "build"].none_evaluated


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A quiet account, one over a limit and an idle one."""
    folder = tmp_path_factory.mktemp("plain")
    return audited(
        f"duckdb:///{folder / 'usage.duckdb'}", folder, account("quiet"), account("loud", "free"), account("idle"),
        {"usage_events": [*events("quiet", "2026-10-06", 3), *events("loud", "2026-10-06", 501)]},
    )  # fmt: skip


def test_every_format_lists_the_same_cells_and_the_counters_prove_the_rest(plain: Settings) -> None:
    listed = json.loads(coverage(plain, "--format", "json"))
    lines = [json.loads(line) for line in coverage(plain, "--format", "jsonl").splitlines()]
    assert lines == listed
    assert set(listed[0]) == {"customer_id", "tier", "rule_id", "verdict", "reason"}
    assert all(one["reason"] or one["verdict"] == "violating" for one in listed)
    table = coverage(plain)
    assert f"{3 * 29} cells" in table
    total = next(line for line in table.splitlines() if line.startswith("All")).split()
    planned, compliant, *others = (int(number.replace(",", "")) for number in total[1:])
    assert planned == 3 * 29 == compliant + sum(others)
    assert sum(others) == len(listed)
    counted = Counter(one["verdict"] for one in listed)
    assert others == [counted[name] for name in ("violating", "not_applicable", "not_evaluated", "errored")]


def test_options_narrow_the_cells(plain: Settings) -> None:
    assert {customer for customer, _ in cells(plain, "--tier", "free")} == {"c-loud"}
    assert {rule for _, rule in cells(plain, "--rule", "R01", "--rule", "R05")} == {"R01", "R05"}
    assert {customer for customer, _ in cells(plain, "--customer", "Customer c-idle")} == {"c-idle"}
    assert "no usage in the period" in coverage(plain, "--customer", "c-idle", "--rule", "R05")


@pytest.mark.parametrize(
    ("option", "given", "meant"),
    [
        ("--tier", "fre", "free"),
        ("--rule", "R1", "R01"),
        ("--customer", "c-quite", "c-quiet"),
        ("--format", "jsn", "json"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_one_meant(
    plain: Settings, option: str, given: str, meant: str
) -> None:
    with pytest.raises(AuditsError) as refused:
        coverage(plain, option, given)
    assert f"Did you mean {meant}?" in refused.value.fix


def test_an_empty_customer_is_none(plain: Settings) -> None:
    with pytest.raises(AuditsError, match="There is no customer ''"):
        coverage(plain, "--customer", "")


def test_a_blocked_week_is_one_note_and_its_cells_name_a_day_of_the_period(url: str, tmp_path: Path) -> None:
    days = [f"2026-10-{day:02}" for day in range(5, 10)]
    settings = audited(
        url,
        tmp_path,
        account("dark"),
        {"usage_events": [one for day in days for one in events("dark", day, 2, source_system="bad", **BLOCKING)]},
        {"usage_events": events("dark", "2026-09-20", 2, source_system="bad", **BLOCKING)},
        {"usage_events": events("dark", "2026-10-11", 2)},
    )
    for verdict, reason in cells(settings).values():
        assert verdict != "not_evaluated" or "2026-09-20" not in reason
    assert "2026-10-05: blocked" in cells(settings)["c-dark", "R01"][1]
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [run] = latest_runs(session)
        [blocked] = [note for note in run.notes if "blocked" in note]
    assert blocked.startswith("2026-10-05 to 2026-10-09, bad: 5 days blocked, their rows were not audited: ")


def test_an_account_without_a_tier_and_without_usage_is_in_a_note(url: str, tmp_path: Path) -> None:
    bare = account("bare") | {"account_tiers": []}
    settings = audited(url, tmp_path, account("a"), bare, {"usage_events": events("a", "2026-10-05", 1)})
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [run] = latest_runs(session)
        notes = [note for note in run.notes if "in no count" in note]
    assert notes == [
        "1 account is open without a tier and without usage in the period (of 1 customer): it is in no count of the "
        "reports"
    ]
