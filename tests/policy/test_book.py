"""What a book answers: the law on a day, and over the days of a period."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from audits.policy import Book, LimitRow, PolicyError, load_book
from tests.policy.books import PARAMETERS, edit, small_book

OCTOBER = date(2026, 10, 1), date(2026, 10, 31)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_book(tmp_path)


@pytest.fixture
def book(folder: Path) -> Book:
    return load_book(folder, PARAMETERS)


def test_limits_split_where_one_of_them_changes(book: Book) -> None:
    whole_year = book.limits("R05", date(2026, 1, 1), date(2026, 12, 31))
    assert whole_year == (
        LimitRow("free", date(2026, 1, 1), None, {"requests_min": 2000, "share_min": 0.6}),
        LimitRow("build", date(2026, 1, 1), date(2026, 10, 1), {"requests_min": 10_000, "share_min": 0.6}),
        LimitRow("build", date(2026, 10, 1), None, {"requests_min": 10_000, "share_min": 0.55}),
    )


def test_limits_are_whole_rows_that_overlap_the_days_asked_for(book: Book) -> None:
    assert [(row.tier, row.from_day) for row in book.limits("R05", *OCTOBER)] == [
        ("free", date(2026, 1, 1)),
        ("build", date(2026, 10, 1)),
    ]
    last_of_september = book.limits("R05", date(2026, 9, 30), date(2026, 9, 30))
    assert [row.values["share_min"] for row in last_of_september] == [0.6, 0.6]


def test_a_tier_that_is_not_named_and_a_rule_that_is_not_in_the_book_have_no_limits(book: Book) -> None:
    assert [row.tier for row in book.limits("R23", *OCTOBER)] == ["build"]
    assert book.limits("R01", *OCTOBER) == ()


def test_limits_follow_the_days_on_which_the_rule_is_in_force(folder: Path) -> None:
    edit(
        folder,
        "limits/R05.yaml",
        ("    why: As agreed.\nlimits:", "    effective_to: 2026-10-11\n    why: As agreed.\nlimits:"),
    )
    rows = load_book(folder).limits("R05", *OCTOBER)
    assert [(row.tier, row.to_day) for row in rows] == [("free", date(2026, 10, 11)), ("build", date(2026, 10, 11))]


def test_status_by_day(folder: Path) -> None:
    edit(
        folder,
        "limits/R23.yaml",
        ("    why: As agreed.\nlimits:", "    effective_to: 2026-06-01\n    why: As agreed.\nlimits:"),
        (
            "in_force:",
            "in_force:\n"
            "  - {status: shadow, tiers: [build], effective_from: 2026-06-01, breaker_share: 0.5, why: Tuning.}",
        ),
    )
    book = load_book(folder)
    days = date(2025, 12, 31), date(2026, 1, 1), date(2026, 5, 31), date(2026, 6, 1)
    assert [book.rule_status("R23", day) for day in days] == ["retired", "active", "active", "shadow"]
    assert [book.breaker_share("R23", day) for day in days[2:]] == [0.05, 0.5]
    assert book.rule_status("R01", OCTOBER[0]) == "retired"


def test_the_clause_version_of_the_day_is_cited(book: Book) -> None:
    cited = [book.clauses(["COMPETE"], day)[0].id for day in (date(2026, 6, 30), date(2026, 7, 1))]
    assert cited == ["house-compete-1", "house-compete-2"]
    clause = book.clause("house-compete-2")
    assert clause is not None
    assert (clause.supersedes, clause.effective_from, clause.effective_to) == (
        "house-compete-1",
        date(2026, 7, 1),
        None,
    )


def test_the_same_facts_get_another_verdict_under_terms_that_permit(folder: Path, book: Book) -> None:
    permissive = load_book(edit(folder, "book.yaml", ("[house]", "[open]")), PARAMETERS)
    day = OCTOBER[0]
    assert not book.permitted("COMPETE", day)
    assert book.inapplicable(["COMPETE"], day) is None
    assert len(book.limits("R05", *OCTOBER, families=["COMPETE"])) == 2
    assert permissive.permitted("COMPETE", day)
    assert permissive.inapplicable(["COMPETE"], day) == "permitted by the terms in force (Open terms 2)"
    assert permissive.limits("R05", *OCTOBER, families=["COMPETE"]) == ()
    assert permissive.limits("R05", *OCTOBER) == book.limits("R05", *OCTOBER)


def test_a_clause_that_forbids_outweighs_one_that_permits(folder: Path) -> None:
    both = load_book(edit(folder, "book.yaml", ("[house]", "[house, open]")))
    assert not both.permitted("COMPETE", OCTOBER[0])
    assert [clause.pack for clause in both.clauses(["COMPETE"], OCTOBER[0])] == ["house"]


def test_a_family_without_a_clause_is_no_ground_for_a_finding(book: Book) -> None:
    assert book.inapplicable(["KEYS"], OCTOBER[0]) == "no clause in force on KEYS"
    assert book.inapplicable(["KEYS", "RETENTION"], OCTOBER[0]) is None
    assert not book.permitted("KEYS", OCTOBER[0])


def test_terms_that_change_inside_of_a_period_split_it(folder: Path) -> None:
    edit(
        folder,
        "book.yaml",
        ("effective_from: 2026-01-01\n", "effective_from: 2026-01-01\n    effective_to: 2026-10-10\n"),
    )
    text = (folder / "book.yaml").read_text("utf-8")
    house = text[text.index("  - packs") : text.index("standing:")]
    between = house.replace("2026-01-01", "2026-10-10").replace("effective_to: 2026-10-10", "effective_to: 2026-10-20")
    after = house.replace("2026-01-01", "2026-10-20").replace("    effective_to: 2026-10-10\n", "")
    edit(folder, "book.yaml", (house, house + between.replace("house", "open") + after))
    rows = load_book(folder).limits("R05", *OCTOBER, families=["COMPETE"])
    assert [(row.from_day, row.to_day) for row in rows if row.tier == "build"] == [
        (date(2026, 10, 1), date(2026, 10, 10)),
        (date(2026, 10, 20), None),
    ]


def test_a_baseline_is_looked_at_whatever_the_terms_said_then(folder: Path) -> None:
    edit(folder, "book.yaml", ("[house]", "[open, house]"))
    edit(
        folder,
        "clauses/house.yaml",
        (
            "effective_from: 2026-01-01\n    effective_to: 2026-07-01",
            "effective_from: 2026-06-30\n    effective_to: 2026-07-01",
        ),
    )
    edit(
        folder,
        "clauses/open.yaml",
        ("effective_from: 2026-01-01", "effective_from: 2026-01-01\n    effective_to: 2026-06-30"),
    )
    book = load_book(folder)
    days = date(2026, 6, 1), date(2026, 7, 31)
    judged = [book.limits("R05", *days, families=["COMPETE"], judged_from=day) for day in (None, date(2026, 6, 15))]
    assert [rows[0].from_day for rows in judged] == [date(2026, 6, 30), date(2026, 1, 1)]
    assert [rows[0].to_day for rows in judged] == [None, date(2026, 6, 15)]


def test_both_wordings_of_a_clause_that_changed_inside_of_the_period(book: Book) -> None:
    july = book.clauses(["COMPETE"], date(2026, 6, 15), date(2026, 7, 15))
    assert [clause.id for clause in july] == ["house-compete-1", "house-compete-2"]


def test_a_rule_applies_if_the_terms_forbid_on_any_day_of_the_period(folder: Path) -> None:
    edit(
        folder,
        "clauses/house.yaml",
        ("effective_from: 2026-01-01\n    effective_to", "effective_from: 2026-03-01\n    effective_to"),
    )
    book = load_book(folder)
    assert book.inapplicable(["COMPETE"], date(2026, 2, 1), date(2026, 2, 28)) == "no clause in force on COMPETE"
    assert book.inapplicable(["COMPETE"], date(2026, 2, 1), date(2026, 3, 1)) is None


@pytest.mark.parametrize(
    ("name", "old", "new", "same"),
    [
        ("limits/R05", "build: 0.55", "build: 0.5", False),
        ("limits/R05", "build: 10_000", "build: 9_000", False),
        ("limits/R05", "free: 0.6, build: 0.6}", "free: 0.6, build: 0.7}", True),  # until September
        ("limits/R05", "why: Calibrated.", "why: Guessed.", True),
        ("limits/R05", "10_000}\n    effective_from: 2026-01-01", "10_000}\n    effective_from: 2026-01-01\n    "
         "effective_to: 2026-11-01\n    why: Until then.\n  - limit: requests_min\n    tiers: {free: 1, build: 1}\n    "
         "effective_from: 2026-11-01", True),  # begins after the period
        ("clauses/open", "Outputs may", "Outputs must", True),  # binds nobody
        ("clauses/house", "of any model", "of a model", False),
        ("exceptions", "c-1", "c-2", True),
        ("book", "grace_days: 3", "grace_days: 4", False),
        ("quality", "limit: 0.9", "limit: 0.8", False),
    ],
)  # fmt: skip
def test_what_can_decide_about_a_period(name: str, old: str, new: str, same: bool, folder: Path, book: Book) -> None:
    other = load_book(edit(folder, f"{name}.yaml", (old, new)))
    assert other.digest != book.digest
    assert (other.in_force(*OCTOBER) == book.in_force(*OCTOBER)) is same


def test_settings_standing_and_quality(book: Book) -> None:
    settings = book.settings(OCTOBER[0])
    assert (settings.grace_days, settings.baseline_days) == (3, 28)
    assert settings.packs == ("house",)
    assert settings.standing["critical"].standing == "suspended-recommended"
    assert settings.standing["medium"].quiet_days == 14
    assert settings.quality["hour_drop_share"].limit == 0.5
    assert book.quality(OCTOBER[0]) == settings.quality


def test_a_day_before_the_book_begins(book: Book) -> None:
    with pytest.raises(PolicyError, match="says nothing of 2025-12-31: it begins on 2026-01-01"):
        book.settings(date(2025, 12, 31))
    assert book.limits("R05", date(2025, 1, 1), date(2025, 12, 31), families=["COMPETE"]) == ()


def test_entitlements_territories_exceptions_tiers(folder: Path) -> None:
    (folder / "territories.yaml").write_text(
        "territories:\n"
        "  - {country: SY, status: sanctioned, effective_from: 2026-01-01, effective_to: 2026-10-15, why: Listed.}\n"
        "  - {country: SY, status: unsupported, effective_from: 2026-10-15, why: Not offered.}\n"
    )
    book = load_book(folder)
    assert [(r.tier, r.kind, r.value, r.allowed) for r in book.entitlements(*OCTOBER)] == [
        ("build", "capability", "logprobs", True),
        ("free", "capability", "logprobs", False),
    ]
    assert [(r.country, r.status, r.from_day) for r in book.territories(*OCTOBER)] == [
        ("SY", "sanctioned", date(2026, 1, 1)),
        ("SY", "unsupported", date(2026, 10, 15)),
    ]
    assert [r.status for r in book.territories(date(2026, 10, 15), date(2026, 10, 31))] == ["unsupported"]
    assert [(e.id, e.rules, e.subject_id, e.to_day) for e in book.exceptions] == [
        ("northwind", ("R05",), "c-1", date(2026, 4, 1))
    ]
    assert [tier.id for tier in book.tiers] == ["free", "build"]
    assert (book.rank("free"), book.rank("build"), book.rank("gold")) == (0, 1, -1)


def test_a_snapshot_is_the_book(book: Book) -> None:
    again = Book(book.snapshot())
    assert again.digest == book.digest
    assert again.limits("R05", *OCTOBER) == book.limits("R05", *OCTOBER)
    assert again.settings(OCTOBER[0]) == book.settings(OCTOBER[0])


def test_a_book_that_an_earlier_version_recorded_answers_with_what_it_says() -> None:
    stored = load_book().snapshot()
    for entry in stored["book"]["open_links"]:
        del entry["volume_factor_min"]
    for check in stored["quality"]["checks"]:
        check["indeterminate"] = check.pop("not_evaluated")
        check.pop("set_aside", None)
    then, now = Book(stored).settings(OCTOBER[0]), load_book().settings(OCTOBER[0])
    assert (then.standing, then.combination) == (now.standing, now.combination)
    assert then.open_links is None
    assert {name: limit.not_evaluated for name, limit in then.quality.items()} == {
        name: limit.not_evaluated for name, limit in now.quality.items()
    }
    assert not any(limit.set_aside for limit in then.quality.values())


def test_nobody_can_change_a_book_through_its_snapshot(book: Book) -> None:
    book.snapshot()["limits"].clear()
    assert book.limits("R05", *OCTOBER)
    assert Book(book.snapshot()).digest == book.digest


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("rule: R05\n", "# a comment\nrule: R05\n", True),
        ("build: 0.55", "build: 0.550", True),
        ("{free: 2000, build: 10_000}", "{build: 10000, free: 2000}", True),
        ("build: 0.55", "build: 0.56", False),
        ("why: Calibrated.", "why: Guessed.", False),
    ],
)
def test_the_digest_is_of_what_the_book_says(old: str, new: str, same: bool, folder: Path, book: Book) -> None:
    assert (load_book(edit(folder, "limits/R05.yaml", (old, new))).digest == book.digest) is same
