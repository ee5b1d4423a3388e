"""The product and the reference auditor give the same cells, findings, tiers, severities and figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.periods import Period
from tests.reference.compare import disagreements
from tests.reference.conftest import LowBook
from tests.reference.drawing import MONTH, WEEK, drawn
from tests.reference.product import audited

CAUTION = ": not_evaluated ("
CAUTIOUS = {
    "R03", "R05", "R06", "R07", "R08", "R09", "R11", "R14", "R16", "R17", "R20", "R21", "R22", "R23", "R28",
}  # fmt: skip
"""Rules that do not ask in every case what missing columns could change."""


def waits(found: str) -> bool:
    """Whether a disagreement waits for a correction: not evaluated, where a rule is known to be too cautious.

    So is every rule that needs single requests where some usage is known in buckets only, however little.
    """
    cautious = found[:3] in CAUTIOUS or f"{CAUTION}only bucketed usage" in found
    return CAUTION in found and "right: compliant" in found and cautious


IN_CI = ((1, WEEK, 20), (2, MONTH, 15))
ON_POSTGRES = ((3, WEEK, 15),)
AT_LENGTH = tuple((100 + number, MONTH if number % 4 == 0 else WEEK, 25) for number in range(40))  # 1,000 worlds


def check(url: str, folder: Path, low: LowBook, number: int, period: Period, worlds: int) -> None:
    rows = drawn(number, period, low.book, worlds)
    said = audited(url, rows, period, folder, low.folder)
    found = disagreements(rows, low.book, period, said)
    found = [one for one in found if not waits(one)]
    assert not found, f"seed {number}, {period}, {worlds} worlds:\n" + "\n".join(found)


@pytest.mark.parametrize(("number", "period", "worlds"), IN_CI)
def test_product_and_reference_agree(duckdb_warehouse, tmp_path, low, number, period, worlds):
    check(duckdb_warehouse, tmp_path, low, number, period, worlds)


@pytest.mark.parametrize(("number", "period", "worlds"), ON_POSTGRES)
def test_product_and_reference_agree_on_postgresql(postgres_url, tmp_path, low, number, period, worlds):
    check(postgres_url, tmp_path, low, number, period, worlds)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "period", "worlds"), AT_LENGTH)
def test_product_and_reference_agree_on_a_thousand_worlds(request, tmp_path, low, number, period, worlds):
    url = request.getfixturevalue("postgres_url" if number % 5 == 0 else "duckdb_warehouse")
    check(url, tmp_path, low, number, period, worlds)
