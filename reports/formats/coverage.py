"""A tier's coverage as data: every cell (customer x rule) counted once, by rule, verdict and reason.

The counters are those of the page and of ``audits coverage``; the rows of a rule add up to the tier's customers.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from reports.formats.csv import guarded
from reports.model import RuleCoverage, TierReport

COLUMNS = ("period", "revision", "tier", "rule_id", "rule_version", "verdict", "reason", "customers")


def table(report: TierReport) -> str:
    """CSV with one row for each rule, verdict and reason; lines end with a line feed."""
    head = report.heading
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for rule in report.coverage:
        start = (head.period.id, head.revision, head.tier, rule.rule_id, rule.version)
        writer.writerows([guarded(cell) for cell in (*start, *row)] for row in _rows(rule))
    return buffer.getvalue()


def document(report: TierReport) -> str:
    """One JSON object: customers by standing, cells by verdict over all rules and for each, and what linking saw."""
    head = report.heading
    content = {
        "period": head.period.id,
        "revision": head.revision,
        "tier": head.tier,
        "nothing_evaluated": report.checks.none_evaluated,
        "customers": {
            "audited": report.figures.customers,
            "good_standing": report.good_standing,
            "not_evaluated": report.not_evaluated,
        },
        "checks": asdict(report.checks),
        "rules": [
            {
                "rule_id": rule.rule_id,
                "version": rule.version,
                "title": rule.title,
                "status": rule.status,
                "checks": asdict(rule.checks),
                "reasons": [
                    {"verdict": one.verdict, "reason": one.reason, "customers": len(one.customers)}
                    for one in rule.reasons
                ],
            }
            for rule in report.coverage
        ],
        "linking": asdict(report.linking) if report.linking else None,
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def _rows(rule: RuleCoverage) -> Iterator[tuple[str, str, int]]:
    """(verdict, reason, customers) of a rule; compliant and violating cells have no reason."""
    explained: Counter[str] = Counter()
    for one in rule.reasons:
        explained[one.verdict] += len(one.customers)
    for verdict, count in rule.checks.by_verdict:
        if rest := count - explained[verdict]:
            yield verdict, "", rest
    for one in rule.reasons:
        yield one.verdict, one.reason, len(one.customers)
