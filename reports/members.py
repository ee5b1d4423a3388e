"""What was found of a linked group's members each by itself: listed with the group, a table a rule.

Fifteen hundred accounts that act as one are one decision. When a rule finds every one of their keys, too, as many
sections of single customers would say the same and bury the group. So they are listed with it, one row each; nothing
is left out, and what weighs more than the group itself keeps its own block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reports.model import SEVERITIES, Finding, MemberFindings, Subject

FEW = 5
"""Findings of members by one rule that still get a block each: so many are read one after the other; more are alike."""

ALONE = frozenset({"account", "key", "customer"})
"""Subjects that can belong to a group; a network serves whoever comes through it."""


def list_with_groups(
    shared: Iterable[Subject], customers: Iterable[Subject]
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """The subjects of a report again, with what the groups among them list and what the others leave to be listed."""
    shared, customers = tuple(shared), tuple(customers)
    groups = {one.id: one for one in shared if one.kind == "group"}
    home: dict[str, str] = {}  # account -> the group it is listed with
    for group in groups.values():
        for account in (account for finding in group.findings for account in finding.account_ids):
            home.setdefault(account, group.id)
    found: dict[tuple[str, str], list[tuple[Finding, Subject]]] = {}
    for subject in (*shared, *customers):
        for finding in subject.findings:
            if (group_id := _group_of(finding, home)) and not _weighs_more(finding, groups[group_id]):
                found.setdefault((group_id, finding.rule_id), []).append((finding, subject))
    found = {key: rows for key, rows in found.items() if len(rows) > FEW}
    listed = {finding.id: group_id for (group_id, _), rows in found.items() for finding, _ in rows}

    def told(subject: Subject) -> Subject:
        theirs = [
            _told(rows) for (group_id, _), rows in found.items() if (subject.kind, subject.id) == ("group", group_id)
        ]
        return replace(
            subject,
            members=tuple(sorted(theirs, key=_gravest_first)),
            listed=tuple((one, listed[one.id]) for one in subject.findings if one.id in listed),
        )

    return tuple(map(told, shared)), tuple(map(told, customers))


def _group_of(finding: Finding, home: Mapping[str, str]) -> str:
    """The group that everything a finding is about belongs to; "" where there is none, or something lies outside."""
    homes = {home.get(account, "") for account in finding.account_ids}
    return homes.pop() if finding.subject_type in ALONE and len(homes) == 1 else ""


def _weighs_more(finding: Finding, group: Subject) -> bool:
    """Whether a member's finding is for itself: critical, or more severe than everything found of the group."""
    rank = SEVERITIES.index(finding.severity)
    return finding.severity == "critical" or rank < min(SEVERITIES.index(one.severity) for one in group.findings)


def _told(rows: Iterable[tuple[Finding, Subject]]) -> MemberFindings:
    """Rows in order of severity, then of name; the clauses in the order in which they are cited."""
    ordered = sorted(rows, key=_row_order)
    return MemberFindings(
        rows=tuple(ordered),
        clauses=tuple(dict.fromkeys(clause for finding, _ in ordered for clause in finding.clauses)),
    )


def _row_order(row: tuple[Finding, Subject]) -> tuple[int, str, str, str]:
    finding, subject = row
    return SEVERITIES.index(finding.severity), subject.name.casefold(), finding.subject_id, finding.id


def _gravest_first(told: MemberFindings) -> tuple[int, int, str]:
    first, _ = told.rows[0]
    return SEVERITIES.index(first.severity), -len(told.rows), first.rule_id
