"""Who would gain, lose or change severity, on a world whose volume is known to the request."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from audits import pipeline
from audits.backtest import BackTest, Counts, propose_book, propose_limits, run_backtest
from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.read import findings_of
from audits.periods import Period
from audits.policy import init_book
from audits.settings import Settings
from audits.warehouse import warehouse
from reports import write_backtest
from tests.backtest.world import HOSTILE, NOW, OCTOBER, WEEKS, fill, prepared, settings_for
from tests.policy.books import edit
from tests.rows import REFERENCE, account, events, put, together


def trial(world: Settings, rule: str, *settings: str, periods: tuple[Period, ...] = (OCTOBER,)) -> BackTest:
    with warehouse(world.warehouse_url) as source:
        return run_backtest(source, propose_limits(world.policy, rule, settings), periods)


def subjects(result: BackTest, kind: Any = "gained") -> list[str]:
    return [one.subject_id for one in result.of(kind)]


def counts(result: BackTest) -> dict[str, Counts]:
    return {tier.tier: tier.counts for tier in result.tiers if tier.counts != Counts()}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """An operator's book, as `audits policy init` leaves it."""
    init_book(tmp_path / "book")
    return tmp_path / "book"


# ---------------------------------------------------------------- limits of one rule


def test_a_lower_limit_finds_those_above_it_and_nobody_at_it(world: Settings) -> None:
    result = trial(world, "R01", "requests_a_day=20")
    assert subjects(result) == ["b-3", "b-4", "s-1"]
    assert counts(result) == {"build": Counts(0, 2, gained=2), "scale": Counts(0, 1, gained=1)}
    build = next(tier.concerned for tier in result.tiers if tier.tier == "build")
    assert (build.customers, build.before, build.after, build.newly, build.no_longer) == (10, 0, 2, 2, 0)
    assert (result.concerned.customers, result.concerned.newly) == (16, 3)
    [change] = [one for one in result.changes if one.subject_id == "b-3"]
    assert change.customers == (("c-b-3", "Customer c-b-3"),)
    assert change.summary.startswith("Peak: 30 successful requests in one day (limit 20)")
    assert (change.severity_before, change.severity_after, change.periods) == ("", "medium", ("2026-10",))


def test_a_limit_of_one_tier_leaves_the_others_and_holds_over_the_one_for_all(world: Settings) -> None:
    assert subjects(trial(world, "R01", "build.requests_a_day=30")) == ["b-4"]
    assert subjects(trial(world, "r01", "build.requests_a_day=30", "requests_a_day=15")) == ["b-4", "f-2", "s-1"]


def test_a_limit_set_for_a_tier_leaves_the_other_limits_as_they_were(world: Settings) -> None:
    result = trial(world, "R01", "build.requests_a_day=39")
    assert result.proposal == ("R01 build requests_a_day 5,000 -> 39 from 2020-01-01",)


def test_what_is_found_is_what_an_audit_under_that_book_finds(world: Settings, book: Path, tmp_path: Path) -> None:
    edit(book, "limits/R01.yaml", ("{free: 500, build: 5000, scale: 50_000", "{free: 9, build: 19, scale: 29"))
    real = Settings(world.warehouse_url, f"sqlite:///{tmp_path / 'real.sqlite'}", tmp_path / "out", book)
    pipeline.evaluate(real, OCTOBER, now=NOW)
    with open_ledger(real.ledger_url) as ledger, ledger.session() as session:
        audited = {row["subject_id"] for row in findings_of(session, period="2026-10") if row["rule_id"] == "R01"}
    with warehouse(world.warehouse_url) as source:
        result = run_backtest(source, propose_book(None, book, "R01"), [OCTOBER])
    assert audited == {"b-2", "b-3", "b-4", "f-1", "f-2", "s-1"}
    assert set(subjects(result)) == audited
    assert result.rules[0].counts.after == len(audited)


def test_a_higher_limit_loses_them_again(world: Settings, book: Path) -> None:
    edit(book, "limits/R01.yaml", ("build: 5000", "build: 15"))
    stricter = Settings(world.warehouse_url, world.ledger_url, world.out, book)
    result = trial(stricter, "R01", "build.requests_a_day=25")
    assert subjects(result, "lost") == ["b-2"]
    assert counts(result) == {"build": Counts(3, 2, lost=1)}
    assert result.of("lost")[0].summary.startswith("Peak: 20 successful requests in one day (limit 15)")


def test_another_severity_is_neither_gained_nor_lost(world: Settings) -> None:
    result = trial(world, "R15", "critical_over_percent=75")
    assert counts(result) == {"scale": Counts(1, 1, lowered=1)}
    [change] = result.changes
    assert (change.kind, change.subject_type, change.subject_id) == ("lowered", "customer", "c-s-1")
    assert (change.severity_before, change.severity_after) == ("critical", "medium")
    assert (result.concerned.before, result.concerned.after, result.concerned.newly) == (1, 1, 0)


def test_a_subject_of_several_periods_is_one_change_with_all_of_them(world: Settings) -> None:
    result = trial(world, "R01", "build.requests_a_day=35", periods=WEEKS)
    assert [(one.subject_id, one.periods) for one in result.changes] == [("b-4", ("2026-W41", "2026-W42"))]
    assert [one.counts.gained for one in result.periods] == [1, 1, 0]
    assert result.counts == Counts(0, 2, gained=2)
    assert result.concerned.newly == 1


def test_what_the_circuit_breaker_would_hold_back_is_said(world: Settings, book: Path) -> None:
    edit(
        book,
        "book.yaml",
        ("breaker_findings_min: 20", "breaker_findings_min: 3"),
        ("breaker_share: 0.25", "breaker_share: 0.1"),
    )
    guarded = Settings(world.warehouse_url, world.ledger_url, world.out, book)
    result = trial(guarded, "R01", "requests_a_day=20")
    assert (result.rules[0].status_after, result.rules[0].stopped) == ("stopped", ("2026-10",))
    assert result.counts.gained == 3


@pytest.mark.parametrize("status", ["draft", "shadow"])
def test_a_rule_not_in_force_is_tried_as_if_it_were(world: Settings, book: Path, status: str) -> None:
    edit(
        book,
        "limits/R01.yaml",
        ("status: active", f"status: {status}"),
        ("build: 5000", "build: 35"),
    )
    mine = Settings(world.warehouse_url, world.ledger_url, world.out, book)
    result = trial(mine, "R01")
    assert result.proposal == (f"R01 status {status} -> active from 2020-01-01",)
    assert subjects(result) == ["b-4"]


# ---------------------------------------------------------------- a whole book


def test_shadows_are_compared_with_shadows(world: Settings, book: Path, tmp_path: Path) -> None:
    init_book(tmp_path / "other")
    for folder, limit in ((book, 25), (tmp_path / "other", 35)):
        edit(folder, "limits/R01.yaml", ("status: active", "status: shadow"), ("build: 5000", f"build: {limit}"))
    with warehouse(world.warehouse_url) as source:
        result = run_backtest(source, propose_book(book, tmp_path / "other", "R01"), [OCTOBER])
    assert counts(result) == {"build": Counts(2, 1, lost=1)}


OWN_RULE = {
    "rule.yaml": """
id: X01
title: Any use
question: Was the account used at all?
families: [LIMITS]
units: [account]
signal: volume
basis: behaviour
severity: low
version: 1
parameters:
  requests_min: {type: count, meaning: Requests in the period}
summary: "{observed[requests]:,.0f} requests (limit {limits[requests_min]:,.0f})."
observed: {requests: Requests in the period}
benign: [Use]
next_step: Ask.
may_say: You use the service.
""",
    "rule.sql": """
SELECT account_id AS subject_id, tier, SUM(n_ok) AS observed_requests, MAX(limit_requests_min) AS limit_requests_min
FROM account_day
WHERE day BETWEEN :first_day AND :last_day
GROUP BY account_id, tier HAVING SUM(n_ok) >= MAX(limit_requests_min)
""",
}
OWN_LIMITS = """
rule: X01
title: Any use
in_force: [{status: active, tiers: [build], effective_from: 2020-01-01, why: To try it.}]
limits: [{limit: requests_min, value: 60, effective_from: 2020-01-01, why: To try it.}]
"""


def with_own_rule(book: Path, sql: str = OWN_RULE["rule.sql"]) -> Path:
    folder = book / "rules" / "x01_any_use"
    folder.mkdir(parents=True)
    for name, text in (OWN_RULE | {"rule.sql": sql}).items():
        (folder / name).write_text(text)
    (book / "limits" / "X01.yaml").write_text(OWN_LIMITS)
    return book


def test_a_rule_that_only_the_proposed_book_has(world: Settings, book: Path) -> None:
    with_own_rule(book)
    with warehouse(world.warehouse_url) as source:
        result = run_backtest(source, propose_book(None, book, "X01"), [OCTOBER])
    assert (result.partial, [rule.errors for rule in result.rules]) == (False, [()])
    assert "rule X01 is new" in result.proposal
    assert subjects(result) == ["b-3", "b-4"]
    assert (result.rules[0].status_before, result.rules[0].status_after) == ("", "active")


def test_a_rule_that_fails_is_named_and_the_others_go_on(world: Settings, book: Path) -> None:
    with_own_rule(book, OWN_RULE["rule.sql"].replace("SUM(n_ok) AS", "CAST(MAX(account_id) AS BIGINT) AS"))
    edit(book, "limits/R01.yaml", ("build: 5000", "build: 35"))
    with warehouse(world.warehouse_url) as source:
        result = run_backtest(source, propose_book(None, book), [OCTOBER])
    assert result.partial
    [error] = next(rule.errors for rule in result.rules if rule.rule_id == "X01")
    assert error.startswith("2026-10, under the proposed book: the rule failed")
    assert subjects(result) == ["b-4"]


# ---------------------------------------------------------------- nothing recorded, same everywhere


def test_nothing_is_recorded_or_prepared(world: Settings) -> None:
    folder = Path(world.ledger_url.removeprefix("sqlite:///")).parent
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
    trial(world, "R01", "requests_a_day=20")
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.postgres
def test_postgresql_gives_the_same_bytes(world: Settings, postgres_url: str, tmp_path: Path) -> None:
    fill(postgres_url)
    other = prepared(postgres_url, tmp_path, OCTOBER)
    for number, settings in enumerate((world, other)):
        write_backtest(trial(settings, "R01", "requests_a_day=20"), tmp_path / str(number))
    for name in ("backtest.html", "backtest.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_the_page_needs_nothing_else_and_no_name_runs(world: Settings, tmp_path: Path) -> None:
    page, _ = write_backtest(trial(world, "R01", "requests_a_day=20"), tmp_path)
    text = page.read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;document.title" in text
    assert not [part for part in ("<script", "src=", "@import", "http:", "https:") if part in text]
    for words in ("+3", "findings gained", "of 16 audited", "18.8 % of the population", "Who would gain a finding"):
        assert words in text


# ---------------------------------------------------------------- what was not prepared


def test_days_that_are_not_rolled_up_are_named_with_the_command(world: Settings) -> None:
    with pytest.raises(AuditsError) as caught:
        trial(world, "R01", "requests_a_day=20", periods=(Period.parse("2026-11"), Period.parse("2026-12")))
    assert caught.value.what.startswith("2 of 2 periods are not prepared: 2026-11: 30 days from 2026-11-01")
    assert caught.value.fix == "Run: audits backfill --from 2026-11 --to 2026-12"


def test_groups_are_asked_for_by_rules_that_judge_groups_alone(world: Settings) -> None:
    week = Period.parse("2026-W44")  # its days are rolled up with October, but its accounts were never linked
    with warehouse(world.warehouse_url) as source:
        proposal = propose_limits(None, "R01", ["requests_a_day=20"])
        assert run_backtest(source, proposal, [Period.parse("2026-10-14")]).counts.gained == 3
    with pytest.raises(AuditsError, match="2026-10-14: its accounts are not linked to groups"):
        trial(world, "R04", "requests_a_day=20", periods=(Period.parse("2026-10-14"),))
    with pytest.raises(AuditsError, match="2026-W44: 1 days from 2026-11-01"):
        trial(world, "R01", "requests_a_day=20", periods=(week,))


def test_a_warehouse_without_any_rollup(duckdb_warehouse: str, tmp_path: Path) -> None:
    fill(duckdb_warehouse)
    with pytest.raises(AuditsError, match="1 of 1 periods is not prepared: 2026-10: nothing is rolled up") as caught:
        trial(settings_for(duckdb_warehouse, tmp_path), "R01", "requests_a_day=20")
    assert caught.value.fix == "Run: audits run --period 2026-10"


def test_rules_that_agree_only_under_the_proposed_book_make_it_critical(tmp_path: Path) -> None:
    """Use from an unsupported country is high by itself, and so is a search for wordings that slip through."""
    wordings = [
        {"finish_reason": "refusal" if n % 2 else "stop", "prompt_template_hash": "s", "prompt_simhash": n}
        for n in range(60)
    ]
    requests = [
        request | wording | {"ip_country": "XX", "ip_type": "residential", "moderation_flagged": False}
        for request, wording in zip(events("a", "2026-10-07", 60), wordings, strict=True)
    ]
    url = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    put(url, together(REFERENCE, account("a"), {"usage_events": requests}))
    world = prepared(url, tmp_path, OCTOBER)
    init_book(tmp_path / "book")
    edit(tmp_path / "book", "limits/R22.yaml", ("value: 100", "value: 50"))
    with warehouse(url) as source:
        result = run_backtest(source, propose_book(None, tmp_path / "book"), [OCTOBER])
    changed = {(one.kind, one.rule_id): (one.severity_before, one.severity_after) for one in result.changes}
    assert changed == {("gained", "R22"): ("", "critical"), ("raised", "R14"): ("high", "critical")}
    assert trial(world, "R22", "variants_min=50").notes[0].startswith("one rule was evaluated alone")
