"""What every rule may rely on: who can be judged, what becomes of a rule that fails, whom a finding is said of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, Select, cast, column, false, literal, select, union_all, values
from sqlalchemy import String as Text

from audits.policy import load_book
from audits.rules.cases import DuckStage, Outcome, PostgresStage, Stage, differences, read_cases, run_case
from audits.rules.cases.run import scene
from audits.rules.engine.base import Needs, Rule
from audits.rules.engine.doubts import UNCOUNTED
from audits.rules.engine.loading import CATALOGUE, load_rule
from audits.rules.engine.scope import Scope
from audits.warehouse.tables import usage_events

R01 = load_rule(CATALOGUE / "r01_extraction_volume")
HEAD = """
defaults: {limits: {all: {requests_a_day: 3, output_tokens_a_week: 1000}}, period: 2026-10}
cases:
  - name: it
    kind: not_evaluated
"""

Play = Callable[..., Outcome]


@pytest.fixture(params=["duckdb", "postgresql"])
def stage(request: pytest.FixtureRequest) -> Stage:
    chosen: Stage = request.getfixturevalue({"duckdb": "duck_stage", "postgresql": "postgres_stage"}[request.param])
    return chosen


@pytest.fixture
def play(stage: Stage, tmp_path: Path) -> Play:
    """Plays a case, given by what follows its name and kind, and holds it against what it says."""

    def play(text: str, rule: Rule = R01) -> Outcome:
        file = tmp_path / "cases.yaml"
        file.write_text(HEAD + text)
        [case] = read_cases(file)
        outcome = run_case(rule, case, stage, load_book())
        assert differences(case, outcome) == []
        return outcome

    return play


def returning(*rows: dict[str, Any], units: tuple[str, ...] = ("account",)) -> Rule:
    """A rule that returns these very rows."""

    def violations(_scope: Scope) -> Select[Any]:
        many = [select(*(literal(value, Text).label(name) for name, value in row.items())) for row in rows]
        return select(*union_all(*many).subquery().c)

    spec = R01.spec.model_copy(update={"units": units, "summary": "It was so."})
    return replace(
        R01, spec=spec, violations=violations, evidence=lambda scope, found: scope.usage_of(found.account_ids)
    )


def test_tier_that_the_book_does_not_have(play: Play) -> None:
    play("""
    accounts: {a1: {tier: gold}}
    rows: {usage_events: [{at: 2026-10-05, times: 9}]}
    verdicts: {c1/gold: [not_evaluated, tier gold is not in the policy book]}
    """)


def test_account_without_a_tier_is_not_evaluated_where_it_was_used(play: Play) -> None:
    play("""
    accounts: {a1: {tier: }, a2: {tier: }}
    rows: {usage_events: [{account_id: a1, at: 2026-10-05, times: 9}]}
    verdicts: {c1/unassigned: [not_evaluated, no tier is on record]}
    """)


def test_usage_outside_of_its_tier_is_not_evaluated(play: Play) -> None:
    play("""
    accounts: {a1: {tiers: [{tier: build, from: 2026-10-05T13:00}]}}
    rows: {usage_events: [{at: 2026-10-05T12:00, times: 9, every: 1s}, {at: 2026-10-05T13:00}]}
    verdicts: {c1/unassigned: [not_evaluated, no tier is on record], c1/build: compliant}
    """)


def test_account_that_the_dimensions_do_not_have(play: Play) -> None:
    play("""
    rows: {usage_events: [{account_id: stranger, at: 2026-10-05, times: 9}]}
    verdicts:
      stranger/unassigned: [not_evaluated, the account is not in the table accounts]
      c1: [not_applicable, no usage]
    """)


def test_source_that_names_no_account(play: Play) -> None:
    play("""
    rows: {usage_events: [{account_id: UNMAPPED, at: 2026-10-05, times: 9}]}
    verdicts: {UNMAPPED: [not_evaluated, the source names no account]}
    """)


def test_doubt_about_the_data_stands_unless_the_violation_is_seen(play: Play) -> None:
    play("""
    accounts: [a1, a2]
    doubts: {a1: an hour is missing, a2: an hour is missing}
    rows: {usage_events: [{account_id: a1, at: 2026-10-05}, {account_id: a2, at: 2026-10-05, times: 4}]}
    find: [{subject: a2}]
    verdicts: {c1: [not_evaluated, an hour is missing], c2: violating}
    """)


NEEDING = replace(R01, spec=R01.spec.model_copy(update={"needs": Needs(columns=("ip_country", "lang"))}))
COUNTRIES_ONLY = """
    accounts: [a1, a2, a3]
    limits: {all: {requests_a_day: 50, output_tokens_a_week: 1000}}
    rows:
      usage_events:
        - {account_id: a1, at: 2026-10-05, times: 4, ip_country: US}
        - {account_id: a2, at: 2026-10-05, times: 4, ip_country: [US, US, US, null]}
        - {account_id: a3, at: 2026-10-05, times: 4, ip_country: }
"""


def test_columns_that_some_requests_lack_where_the_rule_cannot_say_what_they_may_change(play: Play) -> None:
    said = (
        COUNTRIES_ONLY
        + "    verdicts: {c1: compliant, c2: [not_evaluated, ip_country], c3: [not_evaluated, ip_country]}"
    )
    play(said, NEEDING)


def test_columns_that_some_requests_lack_where_the_rule_says_it(play: Play) -> None:
    nobody = replace(NEEDING, unevaluable=lambda scope: in_question(scope).where(false()))
    said = (
        COUNTRIES_ONLY + '    verdicts: {c1: compliant, c2: compliant, c3: [not_evaluated, "not recorded: ip_country"]}'
    )
    play(said, nobody)


def in_question(scope: Scope, tier: str | None = None) -> Select[Any]:
    """Everyone, under one tier or any."""
    a = scope.accounts().c
    return select(a.account_id, literal(tier, Text).label("tier"), literal("so it is").label("reason")).distinct()


@pytest.mark.parametrize(
    ("tier", "build"), [("free", "compliant"), ("build", "not_evaluated"), (None, "not_evaluated")]
)
def test_a_rule_says_under_which_tier_an_account_is_in_question(play: Play, tier: str | None, build: str) -> None:
    free = "compliant" if tier == "build" else "not_evaluated"
    play(
        f"""
    accounts: {{a1: {{tiers: [{{tier: free, from: 2026-01-01}}, {{tier: build, from: 2026-10-05T13:00}}]}}}}
    rows: {{usage_events: [{{at: 2026-10-05T12:00}}, {{at: 2026-10-05T14:00}}]}}
    verdicts: {{c1/free: {free}, c1/build: {build}}}
    """,
        replace(R01, unevaluable=lambda scope: in_question(scope, tier)),
    )


OF_GROUPS = replace(
    R01,
    spec=R01.spec.model_copy(
        update={"units": ("account", "group"), "needs": Needs(columns=("ip_country",), counts=True)}
    ),
)
LACKING = {
    "a gap": ("", "doubts: {a1: an hour is missing}", "an hour is missing"),
    "buckets": ("usage_buckets: [{at: 2026-10-06}]", "", "only bucketed usage is recorded on some days"),
    "no counts": ("usage_buckets: [{at: 2026-10-06, n_requests: }]", "", UNCOUNTED),
    "a column": ("api_keys: []", "", "not recorded: ip_country"),
}


@pytest.mark.parametrize("what", LACKING)
def test_what_one_member_lacks_leaves_its_whole_group_open(play: Play, what: str) -> None:
    rows, doubts, reason = LACKING[what]
    grain = "bucket" if what == "no counts" else "event"
    needs = OF_GROUPS.spec.needs.model_copy(update={"grain": grain})
    country = "" if what == "a column" else "US"
    play(
        f"""
    accounts: [a1..a6]
    groups: {{g1: [a1..a4], g2: [a5]}}
    {doubts}
    rows:
      usage_events:
        - {{account_id: a1, at: 2026-10-05, ip_country: {country}}}
        - {{account_id: a2, at: 2026-10-05, ip_country: US}}
        - {{account_id: a3, at: 2026-10-05, times: 4, ip_country: US}}
        - {{account_id: a5..a6, at: 2026-10-05, ip_country: US}}
      {rows}
    find: [{{subject: a3}}]
    verdicts:
      c1: [not_evaluated, "{reason}"]
      c2: [not_evaluated, "{reason} (of a linked account)"]
      c3: violating
      c4: [not_evaluated, "{reason} (of a linked account)"]
      c5: compliant
      c6: compliant
    """,
        replace(OF_GROUPS, spec=OF_GROUPS.spec.model_copy(update={"needs": needs})),
    )


def test_what_one_member_lacks_is_told_of_it_as_its_own(play: Play) -> None:
    outcome = play(
        """
    accounts: [a1, a2]
    groups: {g1: [a1, a2]}
    rows:
      usage_events: [{account_id: a1..a2, at: 2026-10-05, ip_country: US}]
      usage_buckets: [{account_id: a1..a2, at: 2026-10-06}]
    """,
        replace(OF_GROUPS, spec=OF_GROUPS.spec.model_copy(update={"needs": Needs()})),
    )
    assert {cell.reason for cell in outcome.cells} == {"only bucketed usage is recorded on some days"}


def test_what_an_account_in_no_group_lacks_is_nothing_to_a_rule_about_groups(play: Play) -> None:
    of_groups = replace(OF_GROUPS, spec=OF_GROUPS.spec.model_copy(update={"units": ("group",)}))
    play(
        """
    accounts: [a1, a2, a3]
    groups: {g1: [a1]}
    rows:
      usage_events:
        - {account_id: a1..a2, at: 2026-10-05, ip_country: US}
        - {account_id: a3, at: 2026-10-05, ip_country: }
      usage_buckets: [{account_id: a1..a2, at: 2026-10-06}]
    verdicts: {c1: not_evaluated, c2: compliant, c3: compliant}
    """,
        of_groups,
    )


def test_what_one_member_lacks_is_nothing_to_a_rule_about_accounts(play: Play) -> None:
    play("""
    accounts: [a1, a2]
    groups: {g1: [a1, a2]}
    doubts: {a1: an hour is missing}
    rows: {usage_events: [{account_id: a1..a2, at: 2026-10-05}]}
    verdicts: {c1: [not_evaluated, an hour is missing], c2: compliant}
    """)


def test_a_group_that_is_found_is_found_whatever_one_member_lacks(play: Play) -> None:
    found = returning({"subject_id": "g1", "tier": "build", "subject_type": "group"}, units=("account", "group"))
    play(
        """
    accounts: [a1, a2]
    groups: {g1: [a1, a2]}
    doubts: {a1: an hour is missing}
    rows: {usage_events: [{account_id: a1, at: 2026-10-05}]}
    find: [{subject: g1}]
    verdicts: {c1: violating, c2: violating}
    """,
        found,
    )


def test_members_of_a_group_in_question_are_so_without_any_use(play: Play) -> None:
    of_groups = replace(OF_GROUPS, spec=OF_GROUPS.spec.model_copy(update={"needs": Needs()}), unevaluable=in_question)
    play(
        """
    accounts: [a1, a2]
    groups: {g1: [a1, a2]}
    rows: {usage_events: [{account_id: a1, at: 2026-10-05}]}
    verdicts: {c1: [not_evaluated, so it is], c2: [not_evaluated, so it is]}
    """,
        of_groups,
    )


def test_buckets_do_not_suffice_for_a_rule_that_needs_single_requests(play: Play) -> None:
    needing = replace(R01, spec=R01.spec.model_copy(update={"needs": Needs(grain="event")}))
    play(
        """
    rows: {usage_buckets: [{at: 2026-10-05}]}
    verdicts: {c1: [not_evaluated, only bucketed usage is recorded]}
    """,
        needing,
    )


def test_table_that_the_rule_needs_is_empty(play: Play) -> None:
    needing = replace(R01, spec=R01.spec.model_copy(update={"needs": Needs(tables=("contracts",))}))
    play(
        """
    rows: {usage_events: [{at: 2026-10-05}]}
    verdicts: {c1: [not_evaluated, "not recorded: table contracts"]}
    """,
        needing,
    )


def test_dimension_rows_that_overlap_count_no_request_twice(play: Play) -> None:
    play("""
    accounts: {a1: {tiers: [{tier: build, from: 2026-01-01, to: 2027-01-01}, {tier: build, from: 2026-10-01}]}}
    rows:
      usage_events: [{at: 2026-10-05, times: 3}]
      accounts: [{account_id: a1, customer_id: c1, opened_at: 2026-01-01}]
      account_tiers: [{account_id: a1, tier: build, valid_from: 2026-10-01}, {account_id: a1, tier: free, valid_from: 2026-10-01}]
    verdicts: {c1: compliant}
    """)  # noqa: E501


TWO_CUSTOMERS = """
    accounts: {a1: {}}
    customers: {c1: {}, c2: {}, c3: {}}
    rows:
      accounts:
        - {account_id: a1, customer_id: c2, opened_at: 2026-01-01}
        - {account_id: a1, customer_id: c3, opened_at: 2026-01-01}
      usage_events: [{at: 2026-10-05}]
"""


def test_a_row_may_hold_for_one_customer_of_an_account(play: Play) -> None:
    def told(customer: str, reason: str) -> Callable[[Scope], Select[Any]]:
        said = {"account_id": "a1", "customer_id": customer, "reason": reason}
        return lambda _scope: select(*(literal(value, Text).label(name) for name, value in said.items()))

    rule = replace(
        returning({"subject_id": "a1", "tier": "build", "customer_id": "c1"}),
        unevaluable=told("c2", "not recorded: its contract"),
        inapplicable=told("c3", "its contract permits it"),
    )
    play(TWO_CUSTOMERS + """
    find: [{subject: a1, accounts: [a1], customers: [c1]}]
    verdicts:
      c1: violating
      c2: [not_evaluated, "not recorded: its contract"]
      c3: [not_applicable, its contract permits it]
    """, rule)  # fmt: skip


def test_group_is_said_of_every_member_whatever_its_tier(play: Play) -> None:
    rule = returning({"subject_id": "g1", "tier": "scale"}, units=("group",))
    play(
        """
    accounts: {a1: {tier: free}, a2: {tier: scale}, a3: {tier: free}, a4: {customer: c1}}
    groups: {g1: [a1, a2]}
    rows: {usage_events: [{account_id: a1..a4, at: 2026-10-05}]}
    find: [{subject: g1, type: group, tier: scale, accounts: [a1, a2], customers: [c1, c2]}]
    verdicts: {c1/free: violating, c2: violating, c3: compliant, c1/build: compliant}
    """,
        rule,
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            returning({"subject_id": "a1", "tier": "build"}, {"subject_id": "a1", "tier": "build"}),
            "R01 returned a subject twice: ('build', 'account', 'a1', '')",
        ),
        (returning({"subject_id": "a9", "tier": "build"}), "R01 returned account a9, which is not among the audited"),
        (
            returning({"subject_id": "g9", "tier": "build"}, units=("group",)),
            "R01 returned group g9, which is not among the audited",
        ),
        (
            returning({"subject_id": "c9", "tier": "build"}, units=("customer",)),
            "R01 returned customer c9, which is not among the audited",
        ),
        (
            returning({"subject_id": "k1", "tier": "build", "account_id": "a9"}, units=("key",)),
            "R01 returned key k1, whose account a9, which is not among the audited",
        ),
        (
            returning({"subject_id": "k1", "tier": "build"}, units=("key",)),
            "R01 returned key k1, which is not among the audited",
        ),
    ],
    ids=["twice", "account", "group", "customer", "key of a stranger", "key of nobody"],
)
def test_rule_that_returns_what_cannot_be(play: Play, rule: Rule, message: str) -> None:
    outcome = play(
        """
    rows: {usage_events: [{at: 2026-10-05}]}
    error: returned
    """,
        rule,
    )
    assert message in outcome.error
    assert [(cell.verdict, cell.reason) for cell in outcome.cells] == [("errored", outcome.error)]


def no_such_column(_scope: Scope) -> Select[Any]:
    return select(column("nowhere").label("subject_id")).select_from(usage_events)


def fails_on_its_rows(_scope: Scope) -> Select[Any]:
    return select(cast(usage_events.c.account_id, Integer).label("subject_id"))


def fails_in_python(_scope: Scope) -> Select[Any]:
    return select(values(column("x", Integer)).data([(1 // 0,)]))


@pytest.mark.parametrize("failing", [no_such_column, fails_on_its_rows, fails_in_python])
def test_rule_that_fails_is_errored_and_the_next_one_goes_on(
    stage: Stage, failing: Callable[[Scope], Select[Any]], tmp_path: Path
) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(HEAD + "    rows: {usage_events: [{at: 2026-10-05, times: 4}]}")
    [case] = read_cases(file)
    with scene(R01, case, stage, load_book()) as played:
        failed = played.ask(replace(R01, violations=failing))
        after = played.ask(R01)
    assert failed.error.startswith("the rule failed: ")
    assert [cell.verdict for cell in failed.cells] == ["errored"]
    assert [one.subject_id for one in after.found] == ["a1"]


def test_same_engine_again_gives_the_same(duck_stage: DuckStage, postgres_stage: PostgresStage) -> None:
    cases = read_cases(R01.folder / "cases.yaml")[:2]
    for stage in (duck_stage, postgres_stage):
        first, second = ([run_case(R01, case, stage, load_book()) for case in cases] for _ in range(2))
        assert first == second
