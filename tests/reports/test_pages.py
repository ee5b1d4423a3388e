"""The pages: whole, inert, and readable without eyes, colours or a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from reports.build import build_tier_report
from reports.formats import html
from tests.reports.conftest import runs_of
from tests.reports.people import HOSTILE

PAGES = (
    "index.html", "2026-10/r1/index.html", "2026-10/r2/index.html",
    *(f"2026-10/r2/{tier}/report.html" for tier in ("free", "build", "scale", "enterprise")),
    "2026-10/r2/build/group-G-7K2.html",
)  # fmt: skip
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Every start tag with its attributes, in order; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}> at line {self.getpos()[0]}"
        self.open.pop()

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, rendered: Path) -> Page:
    return Page((rendered / request.param).read_text("utf-8"))


def test_every_tag_is_closed_and_every_id_is_one(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_runs_and_nothing_is_fetched(page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    links = [link.get("href") or "" for link in page.all("a")] + [link.get("href") or "" for link in page.all("link")]
    assert {href.split(":", 1)[0] for href in links if ":" in href} <= {"data", "https"}
    assert list(page.all("link")) == [{"rel": "icon", "href": "data:,"}]
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_links_lead_to_something(rendered: Path) -> None:
    for name in PAGES:
        page = Page((rendered / name).read_text("utf-8"))
        ids = {attributes.get("id") for _, attributes in page.tags}
        for link in page.all("a"):
            href = link["href"] or ""
            if href.startswith("#"):
                assert href[1:] in ids, f"{name}: {href}"
            elif not href.startswith("https://"):
                assert ((rendered / name).parent / href.split("#")[0]).is_file(), f"{name}: {href}"


def test_landmarks_headings_tables_and_charts_can_be_read_aloud(page: Page) -> None:
    names = [tag for tag, _ in page.tags]
    assert names.count("main") == names.count("h1") == 1
    assert next(page.all("a"))["href"] == "#main", "the skip link comes first"
    levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert names.count("caption") == names.count("table")
    for heading in page.all("th"):
        assert heading.get("scope") in {"col", "row", "rowgroup"}
    for chart in page.all("svg"):
        assert chart.get("aria-hidden") == "true" or (chart.get("role"), bool(chart.get("aria-labelledby"))) == (
            "img",
            True,
        )
    for labelled in (one for _, one in page.tags if "aria-labelledby" in one):
        ids = {attributes.get("id") for _, attributes in page.tags}
        assert set((labelled["aria-labelledby"] or "").split()) <= ids


def test_severity_is_always_a_word_beside_its_shape(rendered: Path) -> None:
    text = (rendered / "2026-10/r2/build/report.html").read_text("utf-8")
    marks = re.findall(r'<span class="sev (\w+)"><i aria-hidden="true">(.)</i>([^<]+)</span>', text)
    assert len(marks) > 30
    shapes = {"critical": "◆", "high": "■", "medium": "▲", "low": "○"}
    for severity, shape, words in marks:
        assert shapes[severity] == shape
        assert severity in words.lower()


def test_hostile_names_are_escaped_and_their_hidden_characters_shown(rendered: Path) -> None:
    text = (rendered / "2026-10/r2/build/report.html").read_text("utf-8")
    body = text.split("<body>")[1]
    for name in HOSTILE:
        if any(char in name for char in "<>"):
            assert name not in body
    assert "&lt;script&gt;document.title=" in body
    assert "\u202e" not in body
    assert "⟨U+202E⟩gnp.exe txet" in body
    assert "Line↵break⇥and ⟨U+0007⟩ bell" in body
    assert "{{ 7*7 }}{% raw %}" in body
    assert "👩\u200d💻" in body, "joiners that shape an emoji stay"


def test_the_page_of_a_quiet_tier_says_so(session: Session) -> None:
    run = runs_of(session, "2025-10")[0]
    session.connection().exec_driver_sql(f"DELETE FROM findings WHERE run_id = {run.id}")
    text = html.tier_page(build_tier_report(session, run, "build"))
    assert "Nothing needs a decision" in text
    assert "Nothing was found in what was evaluated." in text
    assert "There is no earlier report of this tier" in text


def test_a_long_query_is_cut_on_the_page_and_says_where_the_whole_is(session: Session) -> None:
    run = runs_of(session)[-1]
    session.connection().exec_driver_sql(
        f"UPDATE findings SET evidence_sql = '{'x' * 90_000}' WHERE run_id = {run.id} AND rule_id = 'R04'"
    )
    session.expire_all()
    text = html.tier_page(build_tier_report(session, run, "build"))
    assert "The whole query, 90,000 characters, is in <code>findings.jsonl</code>" in text
    assert text.count("x" * 2001) == 0


def test_the_page_is_as_it_was_looked_at(rendered: Path, golden: Callable[[str, str], None]) -> None:
    """Without the style sheet, which a golden file would only repeat."""
    for name in ("2026-10/r2/scale/report.html", "2026-10/r2/index.html", "index.html"):
        text = (rendered / name).read_text("utf-8")
        golden(name.replace("/", "-"), re.sub(r"<style>.*?</style>", "<style></style>", text, flags=re.DOTALL))
