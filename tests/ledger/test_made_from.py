"""What an audit is made from: every real change makes a revision with its cause, and nothing else does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from audits import pipeline, rules
from audits.ledger.causes import ARRIVED
from audits.ledger.inputs import made_from
from audits.periods import Period
from audits.policy import init_book
from audits.rules.engine.code import PACKAGE, code_digests, meaning, rule_digest
from audits.rules.engine.loading import load_law
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.rows import REFERENCE, account, at, events, put, together
from tests.test_pipeline import NOW, settings_for

WEEK = Period.parse("2026-W41")  # 5 to 11 October


def rows() -> dict[str, list[dict[str, Any]]]:
    """Three accounts, two of them on one card and one phone, with use in the period and its baseline."""
    card = {"instrument_type": "card", "bin_country": "US", "valid_from": at("2026-09-20")}
    shared = {"signup_device_hash": "d-1", "phone_hash": "p-1", "signup_net_hash": "n-1"}
    return together(
        account("one", "free", opened_at=at("2026-09-20"), **shared),
        account("two", "free", opened_at=at("2026-09-20"), **shared),
        account("three"),
        REFERENCE,
        {"account_payments": [{"account_id": name, "instrument_hash": "i-1", **card} for name in ("one", "two")]},
        {"usage_events": [*events("one", "2026-10-05", 9), *events("two", "2026-10-06", 7, cost_usd=0.12345678)]},
        {"usage_events": [*events("three", "2026-09-28", 5), *events("three", "2026-10-07", 5, cost_usd=None)]},
        {
            "auth_events": [
                {
                    "event_ts": at("2026-10-06T09:00"), "ingested_ts": at("2026-10-06T09:01"), "account_id": "one",
                    "auth_event_id": "a-1", "outcome": "success",
                }
            ]
        },
    )  # fmt: skip


def parts_of(settings: Settings, period: Period = WEEK, *, prepared: bool = False) -> dict[str, dict[str, Any]]:
    """What an audit of the period would be made from."""
    if not prepared:
        pipeline.prepare(settings, period, now=NOW)
    book, catalogue = load_law(settings.policy)
    asked = {rule_id: rule for rule_id, rule in catalogue.items() if rules.is_asked(rule, book, period)}
    first = pipeline.baseline_from(period, book, catalogue)
    with warehouse(settings.warehouse_url, settings.rollups_url) as source, source.begin() as connection:
        return made_from(connection, period, first, book, asked, [tier.id for tier in book.tiers])


def differing(before: dict[str, Any], now: dict[str, Any]) -> dict[str, list[str]]:
    """Part -> its items that differ."""
    return {
        part: sorted(
            key for key in before[part].keys() | now[part].keys() if before[part].get(key) != now[part].get(key)
        )
        for part in before
        if before[part] != now[part]
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    put(f"duckdb:///{folder / 'usage.duckdb'}", rows())
    parts_of(settings_for(f"duckdb:///{folder / 'usage.duckdb'}", folder))
    return folder


@pytest.fixture
def settings(prepared: Path, tmp_path: Path) -> Settings:
    """A copy of the prepared warehouse and its rollups, at another path."""
    for file in prepared.glob("*.duckdb"):
        shutil.copy(file, tmp_path / file.name)
    return settings_for(f"duckdb:///{tmp_path / 'usage.duckdb'}", tmp_path)


@pytest.fixture(scope="module")
def before(prepared: Path) -> dict[str, dict[str, Any]]:
    return parts_of(settings_for(f"duckdb:///{prepared / 'usage.duckdb'}", prepared), prepared=True)


def run_in(settings: Settings, *statements: str, file: str = "usage.duckdb") -> None:
    with duckdb.connect(str(settings.out.parent / file)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_both_engines_give_the_same_digests_part_by_part(before, postgres_url, tmp_path):
    put(postgres_url, rows())
    theirs = parts_of(settings_for(postgres_url, tmp_path))
    for part, items in before.items():
        assert items == theirs[part], part
    assert before["linkage"]["groups"]
    assert len(before["data"]) == 4


def test_another_path_makes_no_difference(settings, before):
    assert differing(before, parts_of(settings)) == {}


CHANGES: dict[str, tuple[tuple[str, ...], dict[str, list[str]]]] = {
    "a row of the period": (
        ("UPDATE usage_events SET status_code = 500, ingested_ts = ingested_ts + INTERVAL 1 SECOND "
         "WHERE event_id = 'native:one-2026-10-05-8'",),
        {"data": ["2026-10-05"]},
    ),
    "a row of the baseline": (
        ("DELETE FROM usage_events WHERE event_id = 'native:three-2026-09-28-4'",), {"data": ["2026-09-28"]}
    ),
    "a customer's name": (("UPDATE customers SET name = 'Other' WHERE customer_id = 'c-one'",),
                          {"dimensions": ["customers"]}),
    "a contract": (
        ("INSERT INTO contracts (contract_id, customer_id, valid_from) "
         "VALUES ('k', 'c-one', '2026-01-01 00:00:00+00')",),
        {"dimensions": ["contracts"]},
    ),
}  # fmt: skip
NO_CHANGES: dict[str, tuple[str, ...]] = {
    "rows delivered again": ("UPDATE usage_events SET ingested_ts = ingested_ts + INTERVAL 1 SECOND",),
    "another order of rows": (
        "CREATE TABLE other AS SELECT * FROM usage_events ORDER BY event_id DESC", "DELETE FROM usage_events",
        "INSERT INTO usage_events SELECT * FROM other", "DROP TABLE other",
    ),
    "statistics": ("ANALYZE", "CHECKPOINT"),
    "another table": ("CREATE TABLE notes (x TEXT)", "INSERT INTO notes VALUES ('a')"),
    "what begins after the period": (
        "INSERT INTO account_tiers VALUES ('three', 'scale', '2026-10-12 00:00:00+00', NULL)",
        "UPDATE accounts SET closed_at = '2026-10-12 00:00:00+00' WHERE account_id = 'three'",
        "INSERT INTO usage_events BY NAME SELECT * REPLACE (event_ts + INTERVAL 20 DAY AS event_ts, "
        "event_id || 'x' AS event_id) FROM usage_events WHERE account_id = 'three'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_data_is_one_of_its_part(settings, before, name):
    statements, expected = CHANGES[name]
    run_in(settings, *statements)
    found = differing(before, parts_of(settings))
    found.pop(ARRIVED, None)
    assert found == expected


def test_rows_corrected_in_place_are_found_when_all_are_read_again(settings, before):
    run_in(settings, "UPDATE usage_events SET status_code = 500 WHERE event_id = 'native:one-2026-10-05-3'")
    assert differing(before, parts_of(settings)) == {}
    pipeline.prepare(settings, WEEK, now=NOW, recheck=True)
    assert differing(before, parts_of(settings, prepared=True)) == {"data": ["2026-10-05"]}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_changes_nothing_is_no_change(settings, before, name):
    run_in(settings, *NO_CHANGES[name])
    found = differing(before, parts_of(settings))
    assert found.keys() <= {ARRIVED}


def test_other_groups_from_the_same_data_are_a_change_of_linkage_alone(settings, before):
    group = next(iter(before["linkage"]["groups"]))
    run_in(settings, f"DELETE FROM audit.group_members WHERE group_id = '{group}'", file="usage.rollups.duckdb")
    assert differing(before, parts_of(settings, prepared=True)) == {"linkage": ["groups"]}


@pytest.mark.parametrize(
    ("statement", "item"),
    [
        ("UPDATE audit.group_edges SET bits = bits + 1", "groups"),
        ("UPDATE audit.linkage_groups SET campus = 0.5", "groups"),
        ("UPDATE audit.linkage_against SET sharing = sharing + 1", "groups"),
        ("UPDATE audit.linkage_runs SET report = '{}'", "report"),
    ],
)
def test_other_evidence_is_a_change_of_linkage_alone(settings, before, statement, item):
    run_in(settings, statement, file="usage.rollups.duckdb")
    assert differing(before, parts_of(settings, prepared=True)) == {"linkage": [item]}


def test_another_verdict_on_a_day_of_the_baseline_is_a_change_of_quality_alone(settings, before):
    run_in(
        settings, "UPDATE audit.quality_days SET verdict = 'degraded' WHERE day = '2026-09-28'",
        file="usage.rollups.duckdb",
    )  # fmt: skip
    assert differing(before, parts_of(settings, prepared=True)) == {"quality": ["2026-09-28 native"]}


def edited(settings: Settings, tmp_path: Path, edit: Callable[[Path], None]) -> Settings:
    folder = tmp_path / "book"
    init_book(folder)
    edit(folder)
    return replace(settings, policy=folder)


def test_a_limit_in_force_is_a_change_and_one_of_next_year_is_none(settings, before, tmp_path):
    def lower(folder: Path) -> None:
        limits = folder / "limits" / "R01.yaml"
        limits.write_text(limits.read_text("utf-8").replace("free: 500,", "free: 501,"), "utf-8")

    assert differing(before, parts_of(edited(settings, tmp_path, lower), prepared=True)) == {"policy": ["law"]}
    unchanged = edited(settings, tmp_path / "same", lambda folder: None)
    assert differing(before, parts_of(unchanged, prepared=True)) == {}


def test_an_exception_for_the_period_is_a_change(settings, before, tmp_path):
    def except_one(folder: Path) -> None:
        (folder / "exceptions.yaml").write_text(
            "exceptions:\n  - {id: agreed, rules: [R01], subject_type: account, subject_id: one, owner: a@example.com, "
            "why: Agreed on the phone., effective_from: 2026-10-01, effective_to: 2026-11-01}\n", "utf-8",
        )  # fmt: skip

    changed = edited(settings, tmp_path, except_one)
    assert differing(before, parts_of(changed, prepared=True)) == {"policy": ["exceptions"]}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "*.csv", "cases.yaml")
    return shutil.copytree(PACKAGE, tmp_path / "audits", ignore=ignore)


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text("utf-8") + text, "utf-8")


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("rules/engine/evaluate.py", "rules engine"), ("rules/engine/wording.py", "rules engine"),
        ("policy/model.py", "policy"), ("ledger/findings.py", "findings"),
        ("warehouse/dialects/times.py", "SQL dialects"),
    ],
)  # fmt: skip
def test_code_that_judges_is_known_by_its_content(copied, file, part):
    assert code_digests(copied) == code_digests()
    append(copied / file, "\nEXTRA = 1\n")
    assert differing({"code": code_digests()}, {"code": code_digests(copied)}) == {"code": [part]}


def test_comments_line_endings_and_what_judges_nothing_make_no_difference(copied):
    append(copied / "rules" / "engine" / "evaluate.py", "\n# a remark\n")
    file = copied / "rules" / "engine" / "scope.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    for other in ("rules/lint.py", "rules/cases/run.py", "cli/run.py", "proving/worlds.py"):
        append(copied / other, "\nEXTRA = 1\n")
    assert code_digests(copied) == code_digests()


def test_the_meaning_of_source_keeps_strings_that_are_no_documentation():
    source = 'X = "# kept"  # gone\n\ndef f() -> str:\n    """Gone.\n\n    Gone too."""\n    return """kept # here"""\n'
    assert meaning(source) == 'X = "# kept"\ndef f() -> str:\n    return """kept # here"""'


def test_a_rule_is_known_by_its_query_and_description_and_not_by_its_cases(tmp_path):
    rule = load_law(None)[1]["R01"]
    folder = shutil.copytree(rule.folder, tmp_path / "rule")
    copy = replace(rule, folder=folder)
    append(folder / "cases.yaml", "\n# another case\n")
    append(folder / "rule.py", "\n# a remark\n")
    assert rule_digest(copy) == rule_digest(rule)
    (folder / "part_of_it.py").write_text("DAYS = 7\n")
    assert rule_digest(copy) != rule_digest(rule)
    (folder / "part_of_it.py").unlink()
    append(folder / "rule.py", "\nEXTRA = 1\n")
    assert rule_digest(copy) != rule_digest(rule)
