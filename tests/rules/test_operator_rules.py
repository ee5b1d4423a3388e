"""An operator's own rules: SQL that is checked before it runs, and asked like the shipped rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.read import findings_of
from audits.periods import Period
from audits.pipeline import audit
from audits.policy import PolicyError, init_book, load_book
from audits.rules.cases import DuckStage, PostgresStage, differences, read_cases, run_case
from audits.rules.cases.fill import filled
from audits.rules.engine.base import RuleSpec
from audits.rules.engine.loading import CATALOGUE, load_law, load_rule, load_rules, read_spec
from audits.rules.engine.operator_rule import RELATIONS, columns_of
from audits.rules.engine.operator_sql import check_sql, portable
from audits.rules.engine.proof import prove
from audits.rules.skeleton import new_rule
from audits.settings import Settings
from tests.rows import put

R01 = read_spec(CATALOGUE / "r01_extraction_volume" / "rule.yaml")
SPEC: RuleSpec = R01.model_copy(update={"observed": {"n": "Count"}})
GOOD = """SELECT account_id AS subject_id, tier, SUM(n_ok) AS observed_n
FROM account_day
WHERE day BETWEEN :first_day AND :last_day
GROUP BY account_id, tier"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in check_sql("rule.sql", text, SPEC, RELATIONS)[1]]


def test_allowed_query_is_read() -> None:
    select, found = check_sql("rule.sql", GOOD, SPEC, RELATIONS)
    assert found == []
    assert select is not None
    sql = portable(select, RELATIONS)
    assert sql.relations == {"account_day"}
    assert sql.binds == {"first_day", "last_day"}
    assert sql.columns == ("subject_id", "tier", "observed_n")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (GOOD + "; DROP TABLE accounts", "rule.sql:4:", "A rule is one query."),
        ("DELETE FROM account_day", "rule.sql:1:", "A rule is one query."),
        ("", "rule.sql:1:1", "A rule is one query."),
        ("SELECT 1 FROM (", "rule.sql:1:", "This is no SQL that can be read"),
        ("SELECT 'never closed", "rule.sql:1:1", "This is no SQL that can be read"),
        (GOOD.replace("account_day", "acount_day"), "rule.sql:2:6", "did you mean 'account_day'?"),
        (GOOD.replace("account_day", "audit.account_day"), "rule.sql:2:6", "is named with a schema"),
        (GOOD.replace("account_day", "pg_catalog.pg_user"), "rule.sql:2:6", "is named with a schema"),
        (GOOD.replace("account_day", "read_csv('/etc/passwd')"), "rule.sql:2:6", "reads tables, not functions"),
        (GOOD.replace("account_day", "generate_series(1, 9)"), "rule.sql:2:6", "reads tables, not functions"),
        (GOOD.replace("SUM(n_ok)", "pg_read_file('x')"), "rule.sql:1:40", "pg_read_file is not known to be the same"),
        (GOOD.replace("SUM(n_ok)", "getenv('HOME')"), "rule.sql:1:40", "is not known to be the same"),
        (GOOD.replace(":last_day", "current_date"), "rule.sql:3:", "differs from run to run"),
        (GOOD.replace(":last_day", "CAST(now() AS DATE)"), "rule.sql:3:", "differs from run to run"),
        (GOOD.replace("SUM(n_ok)", "MAX(random())"), "rule.sql:1:44", "differs from run to run"),
        (GOOD.replace(":last_day", ":lastday"), "rule.sql:3:34", "There is no parameter :lastday."),
        (GOOD.replace(":last_day", "$1"), "rule.sql:3:", "Parameters have names here."),
        (GOOD.replace("BETWEEN :first_day AND", "<="), "rule.sql:1:", "does not say where the period begins"),
        (GOOD.replace("BETWEEN :first_day AND :last_day", ">= :first_day"), "rule.sql:1:", "where the period ends"),
        (GOOD.replace("SUM(n_ok) AS observed_n", "*"), "rule.sql:1:40", "names its columns"),
        (GOOD.replace("account_id AS subject_id", "account_id"), "rule.sql:1:", "returns no column subject_id"),
        (GOOD.replace(", tier, ", ", "), "rule.sql:1:", "returns no column tier"),
        (GOOD.replace("observed_n", "observed_m"), "rule.sql:1:53", "rule.yaml does not say what m is."),
        (GOOD.replace("observed_n", "limit_n"), "rule.sql:1:53", "rule.yaml has no parameter n."),
        (GOOD.replace("observed_n", "n"), "rule.sql:1:53", "A rule returns no column n."),
        (GOOD.replace("FROM", "INTO x FROM", 1), "rule.sql:2:", "A rule only reads."),
        (GOOD + " FOR UPDATE", "rule.sql:", "A rule only reads."),
        (f"WITH limits AS (SELECT 1 AS tier) {GOOD}", "rule.sql:1:6", "limits is a table of the audit."),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, place: str, said: str) -> None:
    found = problems(text)
    assert any(problem.startswith(place) and said in problem for problem in found), found


def test_every_problem_is_named_with_the_line_and_what_is_allowed() -> None:
    wrong = GOOD.replace("account_day", "acount_day").replace(":last_day", "today()")
    end, table, clock = problems(wrong)
    assert "    2 | FROM acount_day\n      |      ^^^^^^^^^^" in table
    assert "allowed: account_day, account_hour" in table
    assert "allowed: :period_start, :period_end" in clock
    assert "where the period ends" in end


RULE_YAML = """
id: X01
title: Night use
question: Was the account used at night?
families: [LIMITS]
units: [account]
signal: rhythm
basis: behaviour
severity: low
version: 1
baseline_days: 7
parameters:
  share_max: {type: share, meaning: Share of requests at night}
summary: "{observed[share]:.0%} of requests at night (limit {limits[share_max]:.0%})."
observed: {share: Share of requests before six, before: Requests in the week before}
benign: [Another time zone]
next_step: Ask.
may_say: We saw use at night.
"""
RULE_SQL = """
WITH hours AS (  -- a comment; and 'quotes: here'
    SELECT account_id, tier, n_ok, hour, day
    FROM account_hour
    WHERE day >= :baseline_day AND day <= :last_day
)
SELECT
    h.account_id AS subject_id,
    h.tier,
    'at:night' AS discriminator,
    SUM(n_ok) FILTER (WHERE day >= :first_day AND hour < 6) / SUM(n_ok) FILTER (WHERE day >= :first_day)
        AS observed_share,
    COALESCE(SUM(n_ok) FILTER (WHERE day < :first_day), 0) AS observed_before,
    MIN(limit_share_max) AS limit_share_max
FROM hours AS h
JOIN accounts_in_scope AS a ON a.account_id = h.account_id AND a.tier = h.tier
WHERE h.account_id NOT LIKE '%:test'
GROUP BY h.account_id, h.tier
HAVING SUM(n_ok) FILTER (WHERE day >= :first_day AND hour < 6) / SUM(n_ok) FILTER (WHERE day >= :first_day)
    > MIN(limit_share_max)
"""
CASES = """
defaults: {period: 2026-10, limits: {all: {share_max: 0.5}}}
cases:
  - name: two of three at night, five the week before
    kind: hit
    rows:
      usage_events:
        - {at: [2026-10-05T02:00, 2026-10-05T05:59:59, 2026-10-05T06:00]}
        - {at: 2026-09-28T02:00, times: 5}
        - {at: 2026-09-20T02:00, times: 5}
    find:
      - subject: a1
        discriminator: at:night
        observed: {share: 0.666667, before: 5}
        limits: {share_max: 0.5}
        summary: 67% of requests at night (limit 50%).
  - name: half of it
    kind: boundary
    rows: {usage_events: [{at: [2026-10-05T02:00, 2026-10-05T12:00]}]}
    verdicts: {c1: compliant}
  - name: nothing in the period
    kind: miss
    rows: {usage_events: [{at: 2026-09-28T02:00}]}
    verdicts: {c1: [not_applicable, no usage]}
"""


@pytest.fixture
def own_rule(tmp_path: Path) -> Path:
    folder = tmp_path / "x01_night_use"
    folder.mkdir()
    for name, text in (("rule.yaml", RULE_YAML), ("rule.sql", RULE_SQL), ("cases.yaml", CASES)):
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("case", range(3))
def test_own_rule_finds_the_same_on_both_engines(
    own_rule: Path, duck_stage: DuckStage, postgres_stage: PostgresStage, case: int
) -> None:
    rule, one = load_rule(own_rule), read_cases(own_rule / "cases.yaml")[case]
    embedded, served = (run_case(rule, one, stage, load_book()) for stage in (duck_stage, postgres_stage))
    assert differences(one, embedded) == []
    assert embedded == served


def test_own_rule_about_buckets_is_asked_of_the_least_and_of_the_most(own_rule: Path, duck_stage: DuckStage) -> None:
    (own_rule / "rule.yaml").write_text(f"{RULE_YAML}\nneeds: {{grain: bucket}}\n")
    (own_rule / "rule.sql").write_text("""
        SELECT account_id AS subject_id, tier, SUM(n_requests) AS observed_before, COUNT(*) AS observed_share,
            MIN(limit_share_max) AS limit_share_max
        FROM account_day WHERE day BETWEEN :first_day AND :last_day
        GROUP BY account_id, tier HAVING SUM(n_requests) > 4""")
    (own_rule / "cases.yaml").write_text("""
defaults: {period: 2026-10, limits: {all: {share_max: 0.5}}}
cases:
  - name: three requests and a bucket of three, two or five
    kind: not_evaluated
    accounts: [a1, a2, a3, a4]
    rows:
      usage_events: [{account_id: a1..a4, at: 2026-10-05T10:00, times: 3}]
      usage_buckets:
        - {account_id: a1, at: 2026-10-05, n_requests: 3}
        - {account_id: a2, at: 2026-10-05, n_requests: 1}
        - {account_id: a3, at: 2026-10-05, n_requests: 5}
        - {account_id: a4, at: 2026-10-05, n_requests: 3, input_tokens: 30, output_tokens: 30}
    find: [{subject: a3, observed: {before: 5, share: 2}}]
    verdicts: {c1: [not_evaluated, count the same as other usage], c2: compliant, c4: compliant}
""")
    (case,) = read_cases(own_rule / "cases.yaml")
    assert differences(case, run_case(load_rule(own_rule), case, duck_stage, load_book())) == []


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_has_the_columns_that_it_is_said_to_have(
    own_rule: Path, duck_stage: DuckStage, postgres_stage: PostgresStage, relation: str
) -> None:
    columns = " AND ".join(f"{name} IS NULL" for name in columns_of(relation))
    (own_rule / "rule.sql").write_text(f"""
        SELECT 'a1' AS subject_id, 'build' AS tier, COUNT(*) AS observed_share, COUNT(*) AS observed_before
        FROM {relation} WHERE {columns} AND CAST(:period_start AS DATE) > CAST(:period_end AS DATE)
        HAVING COUNT(*) > 0""")
    case = read_cases(own_rule / "cases.yaml")[2]
    for stage in (duck_stage, postgres_stage):
        assert differences(case, run_case(load_rule(own_rule), case, stage, load_book())) == []


def test_query_that_is_refused_keeps_the_rule_from_being_loaded(own_rule: Path) -> None:
    (own_rule / "rule.sql").write_text("SELECT * FROM secrets")
    with pytest.raises(PolicyError, match="There is no table secrets for rules") as refused:
        load_rule(own_rule)
    assert f"{own_rule / 'rule.sql'}:1:15" in str(refused.value)


def test_own_rule_is_sql_alone(own_rule: Path) -> None:
    (own_rule / "rule.sql").unlink()
    (own_rule / "rule.py").write_text("raise SystemExit")
    with pytest.raises(AuditsError, match="has no query"):
        load_rule(own_rule)


def test_skeleton_lies_in_the_book_and_its_two_cases_fail(tmp_path: Path, duck_stage: DuckStage) -> None:
    init_book(tmp_path / "book")
    files = new_rule("Weekend use!", tmp_path / "book" / "rules", load_rules(), ["free", "build"])
    assert [file.relative_to(tmp_path / "book").as_posix() for file in files] == [
        "rules/x01_weekend_use/rule.yaml",
        "rules/x01_weekend_use/rule.sql",
        "rules/x01_weekend_use/cases.yaml",
        "limits/X01.yaml",
    ]
    book, rules = load_law(tmp_path / "book")
    assert "X01" in rules
    assert {row.tier for row in book.limits("X01", date(2026, 10, 1), date(2026, 10, 31))} == {"free", "build"}
    proof = prove(rules["X01"], book, duck_stage)
    assert (proof.cases, len(proof.failures)) == (2, 2)

    query = tmp_path / "book" / "rules" / "x01_weekend_use" / "rule.sql"
    wrong = query.read_text()
    query.write_text(
        wrong.replace("SUM(requests) AS", "MAX(requests) AS").replace("SUM(requests) >=", "MAX(requests) >")
    )
    assert prove(load_rule(query.parent), book, duck_stage).failures == ()
    assert new_rule("another", tmp_path / "book" / "rules", load_rules(), ["free"])[0].parent.name == "x02_another"


def test_two_rules_of_one_id_are_refused(own_rule: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    init_book(book)
    (book / "rules").mkdir()
    own_rule.rename(book / "rules" / "x01_night_use")
    text = (book / "rules" / "x01_night_use" / "rule.yaml").read_text()
    (book / "rules" / "x01_night_use" / "rule.yaml").write_text(text.replace("X01", "R01"))
    with pytest.raises(AuditsError, match="Two rules have the id R01"):
        load_rules(book)


def test_folder_that_the_book_names_must_be_there(tmp_path: Path) -> None:
    book = tmp_path / "book"
    init_book(book)
    file = book / "book.yaml"
    file.write_text(file.read_text() + "\nrule_folders: [ours]\n")
    with pytest.raises(AuditsError, match="There is no folder ours"):
        load_law(book)


def test_own_rule_is_audited_and_reported_like_a_shipped_one(tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    _, query, cases, limits = new_rule("night use", tmp_path / "book" / "rules", load_rules(), ["build"])
    wrong = query.read_text()
    query.write_text(
        wrong.replace("SUM(requests) AS", "MAX(requests) AS").replace("SUM(requests) >=", "MAX(requests) >")
    )
    shadow = limits.read_text()
    limits.write_text(shadow.replace("status: shadow", "status: active").replace("value: 1000", "value: 3"))
    file = tmp_path / "usage.duckdb"
    put(f"duckdb:///{file}", filled(read_cases(cases)[0]))

    settings = Settings(
        warehouse_url=f"duckdb:///{file}",
        ledger_url=f"sqlite:///{tmp_path / 'ledger.sqlite'}",
        out=tmp_path / "out",
        policy=tmp_path / "book",
    )
    outcome = audit(settings, Period.parse("2026-10-05"), now=datetime(2026, 11, 5, tzinfo=UTC))

    assert outcome.status == "complete"
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        [finding] = findings_of(session, period="2026-10-05", tiers=())
    assert (finding["rule_id"], finding["subject_id"], finding["severity"]) == ("X01", "a1", "low")
    assert finding["summary"] == "At most 4 successful requests on a day (limit 3)."
    with duckdb.connect(str(file), read_only=True) as person:
        assert len(person.execute(finding["evidence_sql"]).fetchall()) == 4


def test_a_column_whose_presence_nobody_counts_cannot_be_needed(tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text(RULE_YAML + "needs: {columns: [client_adress]}\n")
    with pytest.raises(AuditsError, match=r"needs\.columns: .*client_adress.* a rule may need .*client_net_hash"):
        read_spec(tmp_path / "rule.yaml")
