"""Which degraded days leave which rules open: those of the period, and those before it that are judged with it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from audits.policy import load_book
from audits.quality import DayVerdict, Reason
from audits.rules.cases import DuckStage, read_cases
from audits.rules.cases.run import scene
from audits.rules.engine.facts import account_gaps
from audits.rules.engine.gaps import record_gaps
from audits.rules.engine.loading import load_rules

CASE = """
cases:
  - name: two accounts, one of which is used before the period only
    kind: not_evaluated
    period: 2026-10
    accounts: [a1, a2]
    rows: {usage_events: [{account_id: a1, at: [2026-09-25, 2026-10-05]}, {account_id: a2, at: 2026-10-05}]}
"""
DEGRADED = Reason("missing_hours", "degrade", "an hour is missing", 0, ("R01", "R02", "R05", "R16"), (3,))


@pytest.mark.parametrize(
    ("day", "open_rules", "whom"),
    [
        (date(2026, 10, 5), {"R01", "R02", "R05", "R16"}, {"a1", "a2"}),
        (date(2026, 9, 25), {"R01", "R16"}, {"a1"}),  # the first day of a week that ends in the period
        (date(2026, 9, 24), set(), set()),
    ],
)
def test_a_degraded_day(day: date, open_rules: set[str], whom: set[str], duck_stage: DuckStage, tmp_path: Path) -> None:
    file, rules = tmp_path / "cases.yaml", load_rules()
    file.write_text(CASE)
    [case] = read_cases(file)
    verdict = DayVerdict(day, "native", "degraded", (DEGRADED,))
    with scene(rules["R02"], case, duck_stage, load_book()) as played:
        gaps = record_gaps(played.connection, case.period, [verdict], rules)
        concerned = set(played.connection.scalars(select(account_gaps.c.account_id)))
    assert {rule for gap in gaps for rule in gap.rules or ()} == open_rules
    assert concerned == whom


SHARED = """
cases:
  - name: one key on two accounts of two sources, and a day of the second source is blocked
    kind: not_evaluated
    period: 2026-10
    blocked: [2026-10-12]
    accounts: [a1, a2, a3]
    rows:
      usage_events:
        - {account_id: a1, at: 2026-10-20, source_system: other, api_key_hash: shared}
        - {account_id: a2, at: [2026-10-05, 2026-10-07, 2026-10-12], api_key_hash: shared}
        - {account_id: a3, at: 2026-10-20, source_system: other}
        - {account_id: a3, at: 2026-11-02, source_system: other, api_key_hash: shared}  # after the period
"""


@pytest.mark.parametrize("day", [date(2026, 10, 6), date(2026, 10, 12)], ids=["all rows lost", "rows set aside"])
def test_a_blocked_day_of_one_account_leaves_open_whoever_shares_its_keys(
    day: date, duck_stage: DuckStage, tmp_path: Path
) -> None:
    file, rules = tmp_path / "cases.yaml", load_rules()
    file.write_text(SHARED)
    [case] = read_cases(file)
    blocked = DayVerdict(day, "native", "blocked", (Reason("duplicates", "block", "ids twice", 9, (), ()),))
    verdicts = [blocked, DayVerdict(date(2026, 10, 20), "other", "good", ())]
    with scene(rules["R17"], case, duck_stage, load_book()) as played:
        gaps = record_gaps(played.connection, case.period, verdicts, rules)
        concerned = {
            rule: set(
                played.connection.scalars(
                    select(account_gaps.c.account_id).where(
                        account_gaps.c.gap.in_([gap.number for gap in gaps if gap.concerns(rule)])
                    )
                )
            )
            for rule in ("R01", "R16", "R17")
        }
    assert concerned == {"R01": {"a2"}, "R16": {"a1", "a2"}, "R17": {"a1", "a2"}}
