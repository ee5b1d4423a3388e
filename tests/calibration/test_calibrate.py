"""Limits from the 99.5th percentile of benign accounts, on a world whose volume is known to the request."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from audits import pipeline
from audits.calibration import Calibration, calibrate, suspected_accounts, weeks_until
from audits.cli import app
from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.models import Decision
from audits.ledger.read import findings_of
from audits.policy import init_book
from audits.rules.engine.loading import load_law, read_spec
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.backtest.test_backtest import with_own_rule
from tests.backtest.world import NOW, OCTOBER, WEEKS, fill, prepared
from tests.policy.books import edit

LAST = date(2026, 10, 31)
SPOKEN_OF = ("R01", "R17", "X01")
BROKEN = """
SELECT account_id AS subject_id, tier, CAST(MAX(account_id) AS BIGINT) AS observed_requests
FROM account_day
WHERE day BETWEEN :first_day AND :last_day
GROUP BY account_id, tier
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book whose limits for Build lie within what the world's accounts reach."""
    init_book(tmp_path / "book")
    return edit(tmp_path / "book", "limits/R01.yaml", ("build: 5000", "build: 15"))


def measured(
    world: Settings, book: Path, suspects: frozenset[str] = frozenset(), weeks: int = 3, until: date | None = LAST
) -> Calibration:
    law, rules = load_law(book)
    few = {rule_id: rule for rule_id, rule in rules.items() if rule_id in SPOKEN_OF}
    with warehouse(world.warehouse_url) as source:
        return calibrate(source, law, few, suspects, weeks=weeks, until=until)


def figure(result: Calibration, rule: str, limit: str, tier: str) -> tuple[float, float | None, int, int, float]:
    [one] = [one for one in result.figures if (one.rule_id, one.limit, one.tier) == (rule, limit, tier)]
    return one.now, one.percentile, one.measured, one.left_out, one.proposed


def test_proposes_the_percentile_where_it_is_above_the_book(world: Settings, book: Path) -> None:
    result = measured(world, book)
    # Ten accounts: six make 1 request a day, the others 10, 20, 30 and 40; linear between the two largest.
    assert figure(result, "R01", "requests_a_day", "build") == (15, 39.55, 10, 0, 40)
    assert figure(result, "R01", "requests_a_day", "free") == (500, pytest.approx(19.85), 4, 0, 500)
    assert result.differences == ("R01 build requests_a_day 15 -> 40 from 2026-11-01",)
    assert (result.weeks, result.last_day) == (("2026-W41", "2026-W42", "2026-W43"), date(2026, 10, 25))
    assert "of build fewer than 200 accounts were measured" in result.notes[0]


def test_an_account_counts_by_its_largest_week_and_once(world: Settings, book: Path) -> None:
    quiet, busy = measured(world, book, weeks=1), measured(world, book, weeks=3)
    assert figure(quiet, "R01", "requests_a_day", "build")[1:3] == (None, 0)  # nobody was active in W43
    assert figure(busy, "R01", "requests_a_day", "build")[2] == 10
    assert quiet.differences == ()


def test_suspected_accounts_do_not_raise_the_limit_that_caught_them(world: Settings, book: Path) -> None:
    result = measured(world, book, frozenset({"b-4"}))
    assert figure(result, "R01", "requests_a_day", "build") == (15, 29.6, 9, 1, 30)


def test_who_is_suspected_is_what_people_decided(world: Settings, book: Path, tmp_path: Path) -> None:
    edit(book, "limits/R01.yaml", ("build: 15", "build: 25"))
    settings = Settings(world.warehouse_url, f"sqlite:///{tmp_path / 'own.sqlite'}", tmp_path / "out", book)
    pipeline.evaluate(settings, OCTOBER, now=NOW)
    with open_ledger(settings.ledger_url) as ledger:
        with ledger.session() as session:
            found = {row["subject_id"]: row["finding_id"] for row in findings_of(session, period="2026-10")}
            everyone = suspected_accounts(session)
            for number, (account, decided) in enumerate((("b-3", "false_positive"), ("b-4", "confirmed")), 1):
                row = {
                    "number": number, "finding_id": found[account], "decided_as": decided, "why": "asked",
                    "who": "mira@example.com", "decided_at": datetime(2026, 11, 21, tzinfo=UTC), "until": None,
                    "previous_digest": "", "digest": f"sha256:{number}",
                }  # fmt: skip
                session.execute(insert(Decision), [row])
        with ledger.session() as session:
            decided_about = suspected_accounts(session)
    assert {"b-3", "b-4"} <= everyone
    assert decided_about == everyone - {"b-3"}


def test_a_limit_is_measured_without_those_that_would_hide_it(world: Settings, book: Path) -> None:
    result = measured(world, book)
    # Every key comes from one network a day: far below ten networks, five providers and four kinds of client.
    assert figure(result, "R17", "networks_min", "build") == (25, 1, 10, 0, 25)


def test_an_operator_s_own_rule_joins_in(world: Settings, book: Path) -> None:
    with_own_rule(book)
    rule = book / "rules" / "x01_any_use" / "rule.yaml"
    rule.write_text(rule.read_text().replace("the period}", "the period, measured: {by: requests}}", 1))
    edit(book, "limits/X01.yaml", ("value: 60", "value: 6"))
    assert figure(measured(world, book), "X01", "requests_min", "build") == (6, 39.55, 10, 0, 40)


def test_a_rule_that_fails_is_named_and_nothing_is_proposed_for_it(world: Settings, book: Path) -> None:
    with_own_rule(book, BROKEN)
    rule = book / "rules" / "x01_any_use" / "rule.yaml"
    rule.write_text(rule.read_text().replace("the period}", "the period, measured: {by: requests}}", 1))
    result = measured(world, book)
    assert len(result.failures) == 1
    assert result.failures[0].startswith("X01 could not be measured: the rule failed")
    assert result.differences == ("R01 build requests_a_day 15 -> 40 from 2026-11-01",)


@pytest.mark.parametrize(("how", "said"), [("{by: n}", "no observed figure"), ("{by: requests, without: [n]}", "'n'")])
def test_a_measurement_names_what_there_is(book: Path, how: str, said: str) -> None:
    with_own_rule(book)
    rule = book / "rules" / "x01_any_use" / "rule.yaml"
    rule.write_text(rule.read_text().replace("the period}", f"the period, measured: {how}}}", 1))
    with pytest.raises(AuditsError, match=said):
        read_spec(rule)


def test_the_pieces_can_be_pasted(world: Settings, book: Path) -> None:
    result = measured(world, book)
    [piece] = result.pieces
    assert (piece.file, piece.ends) == ("limits/R01.yaml", "requests_a_day of 2020-01-01")
    text = (book / piece.file).read_text()
    text = re.sub(
        r"(limit: requests_a_day\n.*\n.*effective_from: 2020-01-01\n)", r"\1    effective_to: 2026-11-01\n", text
    )
    (book / piece.file).write_text(f"{text}{piece.text}")
    pasted, _ = load_law(book)
    values = {
        row.tier: row.values["requests_a_day"] for row in pasted.limits("R01", date(2026, 11, 1), date(2026, 11, 1))
    }
    assert values == {"free": 500, "build": 40, "scale": 50_000, "enterprise": 500_000}
    [before] = [row for row in pasted.limits("R01", LAST, LAST) if row.tier == "build"]
    assert before.values["requests_a_day"] == 15


@pytest.mark.parametrize(
    ("last", "first", "newest"),
    [(date(2026, 10, 25), "2026-W42", "2026-W43"), (date(2026, 10, 31), "2026-W42", "2026-W43"),
     (date(2026, 11, 1), "2026-W43", "2026-W44"), (date(2027, 1, 3), "2026-W52", "2026-W53")],
)  # fmt: skip
def test_only_whole_weeks_count(last: date, first: str, newest: str) -> None:
    weeks = weeks_until(last, 2)
    assert (weeks[0].id, weeks[-1].id) == (first, newest)


@pytest.mark.postgres
def test_postgresql_measures_the_same(world: Settings, book: Path, postgres_url: str, tmp_path: Path) -> None:
    fill(postgres_url)
    other = prepared(postgres_url, tmp_path, OCTOBER, *WEEKS)
    assert measured(other, book).as_json() == measured(world, book).as_json()


# ---------------------------------------------------------------- as typed


def typed(environment: dict[str, str], *words: str | Path) -> str:
    result = CliRunner().invoke(app, ["policy", "calibrate", *map(str, words)], env=environment)
    if isinstance(result.exception, AuditsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_table_and_json(environment: dict[str, str], book: Path) -> None:
    said = typed(environment, "--weeks", "3", "--book", book, "--rule", "R01")
    for words in (
        "2026-10-05 to 2026-10-25",
        "R01 build requests_a_day 15 -> 40 from 2026-11-01",
        "effective_to: 2026-11-01",
        "tiers: {free: 500, build: 40, scale: 50_000, enterprise: 500_000}",
    ):
        assert words in said
    data = json.loads(typed(environment, "--weeks", "3", "--book", book, "--format", "json", "--rule", "R01"))
    assert data["effective_from"] == "2026-11-01"
    changed = [
        (one["rule_id"], one["limit"], one["tier"], one["proposed"]) for one in data["figures"] if one["changed"]
    ]
    assert changed == [("R01", "requests_a_day", "build", 40)]


def test_every_rule_is_measured_without_a_word(environment: dict[str, str], world: Settings, book: Path) -> None:
    data = json.loads(typed(environment, "--weeks", "1", "--book", book, "--format", "json"))
    assert data["failures"] == []
    _, rules = load_law(book)
    told = {(rule.id, name) for rule in rules.values() for name, one in rule.spec.parameters.items() if one.measured}
    assert {(one["rule_id"], one["limit"]) for one in data["figures"]} == told
    assert any("there is no linked group" in note for note in data["notes"])


def test_the_ledger_decides_who_is_left_out_and_is_not_made_by_looking(
    environment: dict[str, str], world: Settings, book: Path
) -> None:
    typed(environment, "--weeks", "3", "--book", book, "--rule", "R01")
    file = Path(environment["AUDITS_LEDGER_URL"].removeprefix("sqlite:///"))
    assert not file.exists()
    edit(book, "limits/R01.yaml", ("build: 15", "build: 35"))
    pipeline.evaluate(
        Settings(world.warehouse_url, environment["AUDITS_LEDGER_URL"], file.parent, book), OCTOBER, now=NOW
    )
    edit(book, "limits/R01.yaml", ("build: 35", "build: 15"))
    data = json.loads(typed(environment, "--weeks", "3", "--book", book, "--format", "json", "--rule", "R01"))
    [one] = [one for one in data["figures"] if (one["limit"], one["tier"]) == ("requests_a_day", "build")]
    assert (one["left_out"], one["measured"], one["proposed"]) == (1, 9, 30)


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (("--weeks", "0"), "'0' is not a whole number", "8"),
        (("--until", "Friday"), "'Friday' is not a day.", "2026-10-31"),
        (("--rule", "R99"), "There is no rule 'R99'", "R01"),
        (("--until", "2027-02-01"), "are not all rolled up", "audits backfill --from 2026-W50 --to 2027-W04"),
    ],
)
def test_what_cannot_be_measured_is_said(
    environment: dict[str, str], words: tuple[str, ...], what: str, fix: str
) -> None:
    with pytest.raises(AuditsError) as caught:
        typed(environment, *words)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.where


def test_nothing_is_rolled_up(environment: dict[str, str], duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match="Nothing is rolled up"):
        typed(environment | {"AUDITS_WAREHOUSE_URL": duckdb_warehouse})
