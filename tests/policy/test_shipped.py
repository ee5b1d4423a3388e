"""The book that comes with the package: whole, cited, and the same for everybody."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.policy import SHIPPED, Book, init_book, load_book
from audits.policy.names import FAMILIES, QUALITY_CHECKS
from audits.policy.words import spoken
from audits.rules.engine.loading import load_rules
from tests.policy.books import edit

DAY = date(2026, 10, 1)
MONTH = DAY, date(2026, 10, 31)
TIERS = ("free", "build", "scale", "enterprise")


def declared() -> dict[str, dict[str, str]]:
    rules = load_rules().values()
    return {rule.id: {name: one.type for name, one in rule.spec.parameters.items()} for rule in rules}


def test_it_is_valid_and_fits_every_rule_of_the_catalogue() -> None:
    assert load_book(None, declared()).digest == load_book().digest


def test_all_rules_have_limits_that_are_in_force_without_a_gap() -> None:
    book = load_book()
    assert book.rules == tuple(load_rules())
    for rule in book.rules:
        rows = book.limits(rule, *MONTH)
        tiers = [row.tier for row in rows]
        assert tiers == sorted(tiers, key=TIERS.index)
        assert tiers == (list(TIERS[1:]) if rule == "R09" else list(TIERS))


@pytest.mark.parametrize(
    ("rule", "name", "values"),
    [
        ("R01", "requests_a_day", (500, 5_000, 50_000, 500_000)),
        ("R01", "output_tokens_a_week", (1_000_000, 10_000_000, 150_000_000, 2_000_000_000)),
        ("R02", "z_min", (6, 6, 7, 8)),
        ("R05", "requests_min", (2_000, 10_000, 50_000, 200_000)),
        ("R07", "requests_min", (100, 500, 2_000, 10_000)),
        ("R14", "share_min", (0.05, 0.05, 0.01, 0.01)),
        ("R17", "networks_min", (10, 25, 100, 400)),
        ("R20", "requests_min", (10, 10, 1, 1)),
        ("R22", "flagged_share_min", (0.01, 0.005, 0.005, 0.003)),
        ("R23", "severity", ("high", "high", "high", "critical")),
    ],
)
def test_limits_rise_with_the_tier(rule: str, name: str, values: tuple[object, ...]) -> None:
    assert tuple(row.values[name] for row in load_book().limits(rule, *MONTH)) == values


def test_the_default_terms_forbid_every_family_and_name_public_documents() -> None:
    book = load_book()
    clauses = book.clauses(FAMILIES, DAY)
    assert {clause.family for clause in clauses} == set(FAMILIES)
    assert {clause.pack for clause in clauses} == {"operator"}
    (compete,) = book.clauses(["COMPETE"], DAY)
    assert any("OpenAI Services Agreement 3.3(e)" in example for example in compete.examples)


def under(pack: str, folder: Path) -> Book:
    """The shipped book with another pack in force."""
    init_book(folder)
    return load_book(edit(folder, "book.yaml", ("[operator]", f"[{pack}]")))


@pytest.mark.parametrize(
    ("pack", "day", "cited"),
    [
        ("openai_services_agreement", date(2026, 1, 1), ["openai-sa-3.3e-2026"]),
        ("anthropic_commercial", date(2025, 6, 17), ["anthropic-ct-d4-2025-compete"]),
        ("anthropic_usage_policy", date(2026, 11, 11), ["anthropic-aup-compete-2025-09-15"]),
        ("anthropic_usage_policy", date(2026, 11, 12), ["anthropic-aup-compete-2026-11-12"]),
        ("anthropic_usage_policy", date(2025, 9, 14), []),
        ("gemini_api", date(2026, 10, 1), ["gemini-api-compete-2025"]),
        ("deepseek", date(2026, 10, 1), []),
    ],
)
def test_which_clause_forbids_training_rivals(pack: str, day: date, cited: list[str], tmp_path: Path) -> None:
    assert [clause.id for clause in under(pack, tmp_path / "book").clauses(["COMPETE"], day)] == cited


def test_terms_that_permit_distillation_change_the_verdict(tmp_path: Path) -> None:
    permissive = under("deepseek", tmp_path / "book")
    assert permissive.permitted("COMPETE", DAY)
    assert not load_book().permitted("COMPETE", DAY)
    assert permissive.limits("R05", *MONTH, families=["COMPETE"]) == ()
    assert load_book().limits("R05", *MONTH, families=["COMPETE"]) == load_book().limits("R05", *MONTH)
    assert not permissive.permitted("COMPETE", date(2026, 4, 28))  # the terms were not in force yet


def test_quality_has_every_limit_and_only_degrading_ones_name_rules() -> None:
    quality = load_book().quality(DAY)
    assert quality.keys() == QUALITY_CHECKS.keys()
    for name, limit in quality.items():
        assert bool(limit.not_evaluated) == (limit.severity == "degrade"), name


def test_every_reason_is_a_sentence() -> None:
    for file in SHIPPED.rglob("*.yaml"):
        text = re.sub(r">-\n\s+", "", file.read_text("utf-8"))
        for why in re.findall(r"^    why: (.+)$", text, re.MULTILINE):
            assert why[0].isupper() or why[0].isdigit() or why.startswith('"'), (file.name, why)
            assert len(why) > 20, (file.name, why)


def test_it_is_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    files = init_book(folder)
    assert {file.relative_to(folder).as_posix() for file in files} >= {"book.yaml", "limits/R01.yaml"}
    assert load_book(folder).digest == load_book().digest
    with pytest.raises(AuditsError, match="never written over"):
        init_book(folder)


def test_how_numbers_read() -> None:
    assert spoken(0.6, 0.55) == ("0.60", "0.55")
    assert spoken(0.005, 1) == ("0.005", "1.000")
    assert spoken(2_000_000_000, 500) == ("2,000,000,000", "500")
    assert spoken(True, ["a", "b"], [], None) == ("yes", "a, b", "none", "none")
