"""A linked group's page: what its reader is told, and that a group without evidence on record has no page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from audits.ledger.models import GroupDossier, RecordedPart
from audits.ledger.seal import seal_run
from reports import render_tier
from tests.reports.conftest import runs_of
from tests.reports.people import HOSTILE
from tests.reports.world import GROUP

PAGE = f"2026-10/r2/build/group-{GROUP}.html"


@pytest.fixture(scope="module")
def words(rendered: Path) -> str:
    return words_of((rendered / PAGE).read_text("utf-8"))


def words_of(page: str) -> str:
    """A page's text, a space between parts."""
    text = re.sub(r"<(style|title|desc)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def render(session: Session, out: Path) -> str:
    render_tier(session, sealed_again(session), "build", out)
    return (out / PAGE).read_text("utf-8")


def sealed_again(session: Session) -> int:
    """The id of the newest run, of which what a test changed counts as recorded: seals have tests of their own."""
    run = runs_of(session)[-1]
    session.execute(delete(RecordedPart).where(RecordedPart.run_id == run.id))
    seal_run(session.connection(), run.id)
    return run.id


def change(session: Session, **parts: object) -> None:
    """Other parts of the group's dossier."""
    run = runs_of(session)[-1]
    row = session.get_one(GroupDossier, (run.id, GROUP))
    session.execute(update(GroupDossier).where(GroupDossier.run_id == run.id).values(content={**row.content, **parts}))
    session.expire_all()


def test_it_opens_with_how_many_act_as_one_and_by_what(words: str) -> None:
    assert "accounts 59 of 59 customers" in words
    assert "Joined by system prompt, prompt template and payment instrument. Being linked is not in itself" in words
    assert "independent causes of the link 2 Instrument and prompt." in words


def test_it_leads_to_the_findings_and_the_report_leads_to_it(rendered: Path) -> None:
    report = (rendered / PAGE).with_name("report.html").read_text("utf-8")
    assert f'<a href="group-{GROUP}.html">why these accounts are treated as one</a>' in report
    for target in re.findall(r'href="report\.html#(F-\w+)"', (rendered / PAGE).read_text("utf-8")):
        assert f'id="{target}"' in report


def test_each_kind_says_what_speaks_for_and_against_it(words: str) -> None:
    assert "payment instrument ● joins".replace("● ", "") in words
    assert "Sign-up device 60 0 60 59" in words  # recorded of 60, shared by none
    assert "Synchronised activity – 0 – 59" in words  # found by comparison: nothing to be recorded
    assert "the whole group stands without any one of them" in words


def test_a_group_that_hangs_on_one_kind_says_so(session: Session, tmp_path: Path) -> None:
    row = session.get_one(GroupDossier, (runs_of(session)[-1].id, GROUP)).content
    change(session, kinds=[{**one, "together_without": 8} if one["joins"] else one for one in row["kinds"][2:]])
    assert "Without payment instrument 8 of 59 accounts would be left together." in render(session, tmp_path)


def test_what_holds_the_accounts_is_told_a_share_a_row(session: Session, tmp_path: Path) -> None:
    measured = {
        "one_network": 0.45, "campus": 0.932, "one_domain": 1.0, "one_instrument": 0.0, "possession": 0.5,
        "several": 0.251, "circles": 0.1, "disposable": 0.0,
    }  # fmt: skip
    change(session, holders={**measured, "cards_and_keys": 0.12})
    told = words_of(render(session, tmp_path))
    assert "work from one network that nobody can rent 45 % work from the three offices’ networks" in told
    assert "that most of them work from 93.2 % have mail of the same organisation 100 %" in told
    assert "share another card or key, devices left out 12 %" in told


def test_what_a_kept_dossier_did_not_measure_is_no_figure(session: Session, tmp_path: Path) -> None:
    shares = ("one_network", "one_domain", "one_instrument", "possession", "several", "circles", "disposable")
    change(session, holders=dict.fromkeys(shares, 0.5))
    told = words_of(render(session, tmp_path))
    assert "work from the three offices’ networks that most of them work from – have mail" in told
    assert "share another card or key, devices left out – share one" in told


def test_foreign_ids_reach_it_as_text(rendered: Path) -> None:
    text = (rendered / PAGE).read_text("utf-8")
    assert "&lt;script&gt;" in text
    assert not [hostile for hostile in HOSTILE if "<" in hostile and hostile in text]


def test_a_prompt_of_all_is_a_ring_and_a_card_of_some_a_square(rendered: Path) -> None:
    text = (rendered / PAGE).read_text("utf-8")
    drawing = text[text.index('aria-labelledby="links-chart-t') :].split("</svg>")[0]
    assert drawing.count('class="account"') == 59
    assert len(re.findall(r'class="value k\d"', drawing)) == 8
    assert "payment instrument: 8 shared values on 59 accounts" in drawing


def test_thousands_of_accounts_are_drawn_and_listed_in_part_and_it_is_said(session: Session, tmp_path: Path) -> None:
    row = session.get_one(GroupDossier, (runs_of(session)[-1].id, GROUP)).content
    many = [{**row["members"][5], "account_id": f"x{number:04d}"} for number in range(2000)]
    change(session, members=many, values=[{**row["values"][0], "members": list(range(2000))}])
    text = render(session, tmp_path)
    assert text.count('class="account"') == 400
    assert "the busiest 400 of 2,000" in text
    assert "Busiest first: 200 of 2,000; all ids are in" in text
    assert len(text) < 250_000


def test_without_evidence_on_record_there_is_no_page_and_no_link(session: Session, tmp_path: Path) -> None:
    session.execute(delete(GroupDossier))
    render_tier(session, sealed_again(session), "build", tmp_path)
    folder = tmp_path / "2026-10/r2/build"
    assert not list(folder.glob("group-*"))
    assert "treated as one" not in (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize("members", [0, 1, 2])
def test_the_smallest_groups_can_be_drawn(session: Session, tmp_path: Path, members: int) -> None:
    row = session.get_one(GroupDossier, (runs_of(session)[-1].id, GROUP)).content
    values = [{**row["values"][0], "members": list(range(members))}]
    change(session, members=row["members"][:members], values=values, causes=[])
    text = render(session, tmp_path)
    assert text.count('class="account"') == members
    assert "nan" not in text.split("<main")[1].lower().replace("finance", "")
