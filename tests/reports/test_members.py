"""What was found of a group's members by themselves stands with the group, and nothing of it is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from audits.ledger.models import Decision
from audits.ledger.record import Finding as Recorded
from reports import render_tier
from reports.build import build_tier_report
from reports.formats import html
from reports.model import Finding, Subject, TierReport
from tests.reports.conftest import runs_of
from tests.reports.crowd import each, of_member, revise
from tests.reports.people import HOSTILE
from tests.reports.test_pages import Page
from tests.reports.world import GROUP


def group_of(report: TierReport) -> Subject:
    return next(one for one in report.shared if one.id == GROUP)


def tables(report: TierReport) -> list[tuple[str, str, int]]:
    """(rule, severity of the first row, rows) of every table of the group, in order."""
    return [(told.rows[0][0].rule_id, told.rows[0][0].severity, len(told.rows)) for told in group_of(report).members]


def in_rows(report: TierReport) -> list[tuple[Finding, Subject]]:
    return [row for told in group_of(report).members for row in told.rows]


def in_full(report: TierReport) -> list[Finding]:
    return [one for subject in (*report.shared, *report.customers) for one in subject.in_full]


def ids(findings: list[Finding] | tuple[Finding, ...]) -> list[str]:
    return sorted(one.id for one in findings)


def section(page: str) -> str:
    """The group's part of the page."""
    start = page.index(f'<h3 class="customer">Linked group <bdi class="any">{GROUP}')
    return page[start : page.index('<h3 class="customer">', start + 10)]


def test_more_than_five_of_one_rule_are_listed_with_the_group_and_five_are_not(session: Session) -> None:
    run = revise(session, lambda group: [*each(group, 6), *each(group, 5, "R20", "account")])
    report = build_tier_report(session, run, "build")
    assert tables(report) == [("R17", "medium", 6)]
    assert sum(one.rule_id == "R20" for one in in_full(report)) == 5 + 1  # one of them is no member's


def test_a_report_without_such_a_group_is_told_in_full(session: Session) -> None:
    report = build_tier_report(session, runs_of(session)[-1], "build")
    assert tables(report) == []
    assert ids(in_full(report)) == ids(report.findings)


def test_findings_of_accounts_keys_and_customers_are_listed_the_gravest_table_first(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            *each(group, 7),
            *(of_member(group, number, "R25", "customer", severity="low") for number in range(5, 12)),
            *(of_member(group, n, "R20", "account", severity="high" if n == 3 else "medium") for n in range(6)),
        ],
    )
    report = build_tier_report(session, run, "build")
    assert tables(report) == [("R20", "high", 6), ("R17", "medium", 7), ("R25", "low", 7)]


def test_every_finding_is_told_once_and_figures_decisions_and_lines_stay(session: Session, tmp_path: Path) -> None:
    before = build_tier_report(session, runs_of(session)[-1], "build")
    run = revise(session, lambda group: each(group, 30))
    report = build_tier_report(session, run, "build")
    rows = in_rows(report)
    assert ids([*in_full(report), *(finding for finding, _ in rows)]) == ids(report.findings)
    assert len(report.findings) == len(before.findings) + 30
    assert len(report.open) == len(before.open) + 30
    assert [one.id for one in report.decisions].count(GROUP) == 1
    assert sum(len(one.waiting) for one in report.decisions) == len(report.open), "each waits with one decision"
    assert len(report.decisions) == len(before.decisions), "the group's members wait with the group"
    folder = render_tier(session, run.id, "build", tmp_path)[0].parent
    lines = [json.loads(line) for line in (folder / "findings.jsonl").read_text("utf-8").splitlines()]
    assert sorted(line["finding_id"] for line in lines) == ids(report.findings)
    assert len((folder / "findings.csv").read_text("utf-8").splitlines()) >= len(lines) + 1


@pytest.mark.parametrize(
    ("of_group", "graver", "kept"), [("medium", "high", 8), ("high", "high", 0), ("critical", "critical", 8)]
)
def test_what_weighs_more_than_the_group_or_is_critical_is_told_in_full(
    session: Session, of_group: str, graver: str, kept: int
) -> None:
    def more(group: Recorded) -> list[Recorded]:
        return [*each(group, 8), *each(group, 8, "R20", "account", severity=graver)]

    report = build_tier_report(session, revise(session, more, of_group), "build")
    assert sum(one.rule_id == "R20" and one.severity == graver for one in in_full(report)) == kept
    assert ("R17", "medium", 8) in tables(report)


def test_networks_and_what_reaches_beyond_the_group_are_told_in_full(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            *(of_member(group, n, "R24", "network", subject=f"n-{n}") for n in range(8)),
            *(
                replace(one, account_ids=(*one.account_ids, "a-0001-0"))
                for one in each(group, 8, "R25", "customer")
                if one.account_ids[0].endswith("-0")
            ),
            *(replace(one, account_ids=()) for one in each(group, 8)),
        ],
    )
    assert tables(build_tier_report(session, run, "build")) == []


def test_a_key_of_several_customers_of_the_group_is_listed_and_has_no_section(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            replace(one, account_ids=group.account_ids[:9], customer_ids=group.customer_ids[:9])
            for one in each(group, 7)
        ],
    )
    report = build_tier_report(session, run, "build")
    assert tables(report) == [("R17", "medium", 7)]
    assert not [one for one in report.shared if one.kind == "key" and one.in_full]
    assert "9 accounts: " in section(html.tier_page(report))


def test_a_customer_with_more_keeps_its_section_which_leads_to_the_row(session: Session) -> None:
    run = revise(session, lambda group: [*each(group, 6), of_member(group, 2, "R20", "account")])
    report = build_tier_report(session, run, "build")
    row, whose = next((finding, subject) for finding, subject in in_rows(report) if finding.subject_id == "k-0002")
    customer = next(one for one in report.customers if one.id == whose.id)
    assert customer.listed == ((row, GROUP),)
    page = html.tier_page(report)
    assert (
        f'With its linked group are listed: <a href="#{row.id}">R17 Key sharing</a> (<bdi class="any">{GROUP}' in page
    )
    headings = re.findall(r'<h3 class="customer">.*?</h3>', page)
    assert len(headings) == sum(bool(one.in_full) for one in (*report.shared, *report.customers))


def test_a_chart_is_not_left_out_for_one_that_is_listed(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            replace(one, chart={**group.chart, "series": {}})
            for one in (*each(group, 6), of_member(group, 0, "R20", "account", severity="low"))
        ],
    )
    report = build_tier_report(session, run, "build")
    alone = next(one for one in in_full(report) if one.rule_id == "R20" and one.severity == "low")
    block = html.tier_page(report).split(f'<article class="finding" id="{alone.id}"')[1].split("</article>")[0]
    assert "<svg" in block


def test_a_row_says_what_was_decided_by_whom_and_which_clause_it_is_under(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            of_member(group, n, clauses=("house-keys", "house-limits") if n else ("house-keys",)) for n in range(6)
        ],
    )
    decided = next(f for f, _ in in_rows(build_tier_report(session, run, "build")) if f.subject_id == "k-0000")
    session.execute(
        insert(Decision).values(
            number=9, finding_id=decided.id, decided_as="excepted", why="A shared build farm.", who="mira@example.com",
            decided_at=datetime(2026, 11, 20, tzinfo=UTC), until=date(2026, 12, 31), previous_digest="",
            digest="sha256:9",
        )
    )  # fmt: skip
    report = build_tier_report(session, run, "build")
    text = section(html.tier_page(report))
    row = text.split(f'<tr id="{decided.id}">')[1].split("</tr>")[0]
    assert '<span class="state">excepted until 31 Dec 2026</span>' in row
    assert "20 Nov 2026: excepted until 31 Dec 2026 by mira@example.com: A shared build farm." in row
    assert "Under house-keys." in row
    assert text.count("Under house-") == 1
    assert '<span class="state">5 open</span>' in text
    assert [clause.id for clause in group_of(report).members[0].clauses] == ["house-keys", "house-limits"]


def test_the_rule_is_told_once_and_every_finding_has_its_anchor(session: Session) -> None:
    report = build_tier_report(session, revise(session, lambda group: each(group, 50)), "build")
    text = html.tier_page(report)
    page = Page(text)
    anchors = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    assert set(ids(report.findings)) < set(anchors)
    assert {link["href"][1:] for link in page.all("a") if (link["href"] or "").startswith("#")} <= set(anchors)  # type: ignore[index]
    part = section(text)
    for once in ("Members found by themselves: R17 Key sharing", "Is one API key used by many unrelated clients?"):
        assert part.count(once) == 1
    assert "▲</i>50 medium" in part
    for finding, subject in in_rows(report):
        for word in (finding.id, finding.subject_id, finding.account_ids[0], finding.summary, subject.id):
            assert word in part
    assert len(part) < 20_000 + 50 * 1_500


@pytest.mark.parametrize(("count", "folded"), [(20, False), (21, True)])
def test_a_long_table_folds_away_and_a_short_one_stands_open(session: Session, count: int, folded: bool) -> None:
    report = build_tier_report(session, revise(session, lambda group: each(group, count)), "build")
    assert ("<details><summary>All 21 findings" in section(html.tier_page(report))) == folded


def test_foreign_text_reaches_a_row_as_text(session: Session) -> None:
    run = revise(
        session,
        lambda group: [
            of_member(group, n, subject=hostile, summary=f"Said by {hostile}") for n, hostile in enumerate(HOSTILE)
        ],
    )
    part = section(html.tier_page(build_tier_report(session, run, "build")))
    assert part.count("<tr id=") == len(HOSTILE)
    assert not [hostile for hostile in HOSTILE if "<" in hostile and hostile in part]
    assert "Said by ⟨U+202E⟩gnp.exe txet" in part


def test_the_same_findings_give_the_same_bytes_in_whatever_order_they_came(session: Session) -> None:
    pages = []
    for step in (1, -1):
        run = revise(session, lambda group, step=step: each(group, 25)[::step])  # type: ignore[misc]
        pages.append(section(html.tier_page(build_tier_report(session, run, "build"))))
    assert pages[0] == pages[1]


def test_the_group_s_part_is_as_it_was_looked_at(session: Session, golden: Callable[[str, str], None]) -> None:
    def more(group: Recorded) -> list[Recorded]:
        mixed = [
            of_member(
                group, n, "R25", "customer", severity="low" if n % 2 else "medium", clauses=("house-limits",),
                summary=f"Use in October came to {100 + 9 * n} % of the commitment in force.",
            )
            for n in range(6, 12)
        ]  # fmt: skip
        return [*each(group, 21), *mixed]

    report = build_tier_report(session, revise(session, more), "build")
    part = section(html.tier_page(report))
    golden("members-of-a-group.html", part[part.index('<article class="finding" aria-') :])
