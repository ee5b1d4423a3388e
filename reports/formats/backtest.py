"""A back-test as one self-contained page, and as JSON; the page has examples, the JSON every change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from audits.backtest.result import BackTest, Change, Kind, PeriodOutcome, RuleOutcome
from reports import charts
from reports.formats.html import environment
from reports.wording import subject_of

EXAMPLES = 10
"""Examples of one kind of change in one tier on the page."""

CHANGES_IN_WORDS = 24
"""Differences between the books that are listed at once; the others fold away."""


def page(result: BackTest) -> str:
    """The page."""
    only = result.rules[0] if len(result.rules) == 1 else None
    finding = [rule for rule in result.rules if rule.counts.before or rule.counts.after]
    return (
        environment()
        .get_template("backtest.html.j2")
        .render(
            test=result,
            subject=f"{only.rule_id} {only.title}" if only else "The policy book",
            window=window(result.periods),
            moved=[rule for rule in result.rules if _moves(rule)],
            same=[rule for rule in finding if not _moves(rule)],
            silent=sum(rule not in finding and not _moves(rule) for rule in result.rules),
            by_tier=_by_tier(result),
            examples=EXAMPLES,
            in_words=CHANGES_IN_WORDS,
            bar=charts.bar,
            longest=lambda rows: max(max(row.counts.before, row.counts.after) for row in rows),
            name=lambda one: subject_of(one.subject_type, one.subject_id, one.customers),
        )
    )


def _moves(rule: RuleOutcome) -> bool:
    """Whether anything about a rule differs between the books, or could not be compared."""
    counts = rule.counts
    changed = counts.gained or counts.lost or counts.raised or counts.lowered
    return bool(changed or rule.errors or rule.status_before != rule.status_after)


def as_json(result: BackTest) -> str:
    """The whole of it for programs; ASCII only, so that no name can move a terminal's cursor."""
    return json.dumps(result.as_json(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def window(periods: Sequence[PeriodOutcome]) -> str:
    """The periods in words: ``October 2026``, ``August 2026 to October 2026``."""
    return periods[0].title if len(periods) == 1 else f"{periods[0].title} to {periods[-1].title}"


_HEADINGS: Mapping[Kind, str] = {
    "gained": "Who would gain a finding",
    "lost": "Who would lose a finding",
    "raised": "Whose finding would become more severe",
    "lowered": "Whose finding would become less severe",
}


def _by_tier(result: BackTest) -> list[tuple[Kind, str, list[tuple[str, Sequence[Change]]]]]:
    """(kind, heading, [(tier's title, its changes)]) of every kind of change that there is."""
    found: list[tuple[Kind, str, list[tuple[str, Sequence[Change]]]]] = []
    for kind, heading in _HEADINGS.items():
        held: list[tuple[str, Sequence[Change]]] = [(one.title, result.of(kind, one.tier)) for one in result.tiers]
        if held := [(title, changes) for title, changes in held if changes]:
            found.append((kind, heading, held))
    return found
