"""What must not change an answer, and what may only make it *not evaluated*, for all rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audits.periods import Period
from tests.reference import changes
from tests.reference.book import CHANGE_DAY, low_book
from tests.reference.changes import Rows
from tests.reference.conftest import LowBook
from tests.reference.drawing import WEEK, drawn
from tests.reference.product import Said, audited
from tests.rows import put

WORLDS, SEED = 8, 28
LATER = timedelta(weeks=2)
CONTENT = ("cot_elicit_score", "rubric_grade_score", "benchmark_score", "prompt_template_hash", "prompt_simhash")
CLIENTS = ("client_net_hash", "ip_asn", "ip_country", "ip_type", "user_agent_family")
REQUESTS = (
    "session_id",
    "end_user_hash",
    "moderation_flagged",
    "finish_reason",
    "reasoning_visibility",
    "model_served",
)


RECORDS = (("payment_events", "auth_events"), ("contracts", "sanctions"), ("customers",), ("models",))


@dataclass(frozen=True)
class Audit:
    """A world as it is audited: with these rows, in this warehouse, under this book."""

    rows: Rows
    low: LowBook
    said: Said


@pytest.fixture(scope="module")
def plain(low: LowBook, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The world as it is, audited once."""
    rows = drawn(SEED, WEEK, low.book, WORLDS)
    return Audit(rows, low, _audited(rows, tmp_path_factory.mktemp("plain"), low))


def _audited(rows: Rows, folder: Path, low: LowBook, period: Period = WEEK) -> Said:
    return audited(f"duckdb:///{folder / 'usage.duckdb'}", rows, period, folder, low.folder)


def answers(said: Said, name: Callable[[str], str] = str) -> tuple[dict[Any, str], dict[Any, Any]]:
    """Every cell that is not compliant, and every finding with what was observed; groups are known by their members."""
    cells = {(name(customer), tier, rule): verdict for (customer, tier, rule), verdict in said.cells.items()}
    findings = {}
    for one in said.findings:
        subject = one["subject_id"] if one["subject_type"] != "group" else "group"
        members = tuple(sorted(map(name, one["account_ids"])))
        subject = "key" if one["subject_type"] in {"key", "network"} else subject  # recorded as digests
        key = one["rule_id"], name(subject), members, one["tier"], one["severity"]
        findings.setdefault(key, []).append({k: v for k, v in one["observed"].items() if _is_figure(k, v)})
    for several in findings.values():
        several.sort(key=str)  # findings of one subject are recorded in the order of their ids
    return cells, findings


def _is_figure(name: str, value: Any) -> bool:
    return not isinstance(value, str)  # names of things and days change with what is renamed or moved


def test_the_world_has_what_the_changes_are_about(plain: Audit):
    """Findings of most rules, cells of every verdict, and rows for each change to act upon."""
    assert {"violating", "not_evaluated", "not_applicable"} <= set(plain.said.cells.values())
    assert len({one["rule_id"] for one in plain.said.findings}) >= 10
    assert changes.buckets_split(plain.rows) != plain.rows
    assert any(row["prompt_template_hash"] is None for row in plain.rows["usage_events"])


@pytest.mark.parametrize(
    "change", ["an unrelated request", "rows twice", "intervals split", "another order", "buckets split"]
)
def test_it_changes_nothing(plain: Audit, tmp_path: Path, change: str):
    day = WEEK.first_day + timedelta(days=2)
    changed = {
        "an unrelated request": lambda: changes.an_unrelated_request(plain.rows, day),
        "rows twice": lambda: changes.rows_twice(plain.rows),
        "another order": lambda: changes.in_another_order(plain.rows),
        "buckets split": lambda: changes.buckets_split(plain.rows),
        "intervals split": lambda: changes.intervals_split(plain.rows, changes.noon_of(day)),
    }[change]()
    cells, findings = answers(_audited(changed, tmp_path, plain.low))
    before, found_before = answers(plain.said)
    outsider = {key for key in cells if key[0] == "c-outsider"}
    assert {key: cells[key] for key in cells.keys() - outsider} == before
    if change == "an unrelated request":  # R03 tells how many peers there are, and one of the tier is an outsider
        findings, found_before = _without_peers(findings), _without_peers(found_before)
    assert findings == found_before


def _without_peers(findings: dict[Any, Any]) -> dict[Any, Any]:
    return {key: [] if key[0] == "R03" else figures for key, figures in findings.items()}


def test_a_load_in_two_parts_changes_nothing(plain: Audit, tmp_path: Path):
    url = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    halves: list[Rows] = [{}, {}]
    for table, many in plain.rows.items():
        for number, row in enumerate(reversed(many)):
            halves[number % 2].setdefault(table, []).append(row)
    put(url, halves[0])
    assert answers(audited(url, halves[1], WEEK, tmp_path, plain.low.folder)) == answers(plain.said)


def test_other_names_and_other_weeks_change_nothing(plain: Audit, tmp_path: Path):
    def other(name: str) -> str:
        return name if name in {"group", "key"} else f"n{name[::-1]}"

    rows = changes.shifted(changes.renamed(plain.rows, other), LATER)  # not earlier: the law itself begins with it
    law = replace(plain.low, folder=low_book(tmp_path / "law", CHANGE_DAY + LATER))
    late = _audited(rows, tmp_path, law, Period.of(WEEK.first_day + LATER, "week"))
    assert answers(late) == answers(plain.said, other)


@pytest.mark.parametrize("columns", [CONTENT, CLIENTS, REQUESTS], ids=["content", "clients", "requests"])
def test_hidden_columns_make_nothing_compliant(plain: Audit, tmp_path: Path, columns: tuple[str, ...]):
    _nothing_became_compliant(plain.said, _audited(changes.columns_hidden(plain.rows, columns), tmp_path, plain.low))


@pytest.mark.parametrize("tables", RECORDS, ids=lambda tables: tables[0])
def test_hidden_tables_make_nothing_compliant(plain: Audit, tmp_path: Path, tables: tuple[str, ...]):
    _nothing_became_compliant(plain.said, _audited(changes.tables_hidden(plain.rows, tables), tmp_path, plain.low))


def test_blocked_days_make_nothing_compliant(plain: Audit, tmp_path: Path):
    days = list(WEEK.days)[1:5:2]
    _nothing_became_compliant(plain.said, _audited(changes.days_blocked(plain.rows, days), tmp_path, plain.low))


def _nothing_became_compliant(before: Said, after: Said) -> None:
    """What was violating or not evaluated is still one of the two; and something was hidden that mattered."""
    wrong = {
        key: (verdict, after.cells.get(key, "compliant"))
        for key, verdict in before.cells.items()
        if key[:2] in after.audited
        and verdict in {"violating", "not_evaluated"}
        and after.cells.get(key, "compliant") not in {"violating", "not_evaluated"}
    }
    assert not wrong
    assert after.cells != before.cells
