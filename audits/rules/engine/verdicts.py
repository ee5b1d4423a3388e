"""The verdict on every customer under one rule, as one set operation on the warehouse.

What is known about each account (:mod:`audits.rules.engine.facts`), what the rule found and what it says about accounts
meet in one statement; it returns the cells by tier, verdict and reason, and names customers only where one is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    MetaData,
    Select,
    SmallInteger,
    String,
    Subquery,
    Table,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    union,
)

from audits.rules.engine.base import Found, Rule
from audits.rules.engine.doubts import customer_doubts, gaps_of, incomplete_usage, linked_doubts, why_in_question
from audits.rules.engine.facts import Facts, account_facts
from audits.rules.engine.population import UNASSIGNED, audited_groups, group_tiers
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import SHARED
from audits.warehouse.own import make_temporary_tables
from audits.warehouse.staging import insert_in_bulk

Verdict = Literal["compliant", "violating", "not_applicable", "not_evaluated", "errored"]
VERDICTS: tuple[Verdict, ...] = ("compliant", "violating", "not_applicable", "not_evaluated", "errored")
NO_USAGE = "no usage in the period"
NO_LINKS = "not recorded: anything that links accounts"

_RANK: dict[Verdict, int] = {"not_applicable": 1, "compliant": 2, "not_evaluated": 3, "errored": 4, "violating": 5}
"""Of several accounts' verdicts the one with the highest rank is the customer's."""

_UNUSED = 0  # where `account_told` says who the rule does not speak of, and why
_UNKNOWN = 1  # where it says who cannot be evaluated, and why
_temporary = MetaData()

found_accounts = Table(
    "found_accounts",
    _temporary,
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("whole", Boolean, nullable=False),  # found as part of a group or customer: whatever the account's own tier
    prefixes=["TEMPORARY"],
)

account_told = Table(
    "account_told",
    _temporary,
    Column("about", SmallInteger, nullable=False),
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("reason", String, nullable=False),
    prefixes=["TEMPORARY"],
)
"""What the rule itself says about accounts and their customers: that it does not apply, or cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The customers of a tier that share one verdict and reason; ``customers`` names them where it is not empty.

    ``reason`` is empty for compliant and violating ones.
    """

    tier: str
    verdict: Verdict
    reason: str
    count: int
    customers: tuple[str, ...] = ()


def prepare_verdicts(connection: Connection) -> None:
    """Make the tables that :func:`cells_of` fills for each rule."""
    make_temporary_tables(connection, _temporary)


def all_cells(connection: Connection, verdict: Verdict, reason: str) -> tuple[Cells, ...]:
    """Every cell with the same verdict, for the same reason."""
    f = account_facts.c
    people = select(f.tier, f.customer_id).where(f.audited).distinct().subquery("people").c
    statement = select(people.tier, func.array_agg(people.customer_id)).group_by(people.tier).order_by(people.tier)
    return tuple(
        Cells(tier, verdict, reason, len(customers), tuple(sorted(customers)))
        for tier, customers in connection.execute(statement)
    )


def cells_of(
    connection: Connection,
    rule: Rule,
    scope: Scope,
    facts: Facts,
    found: Iterable[Found],
    possible: Iterable[Found] = (),
    *,
    name_all: bool,
) -> tuple[Cells, ...]:
    """The rule's cells; compliant customers are only counted, unless ``name_all``.

    ``possible`` is what the rule finds of the most that may have been used.
    """
    connection.execute(delete(account_told))
    if more_possible := _put_found(connection, possible):
        connection.execute(insert(account_told).from_select(account_told.c.keys(), _in_question()))
    violating = _put_found(connection, found)
    for about, ask in ((_UNUSED, rule.inapplicable), (_UNKNOWN, rule.unevaluable)):
        if ask is not None:
            connection.execute(insert(account_told).from_select(account_told.c.keys(), _said(about, ask(scope))))
    questioned = more_possible or rule.unevaluable is not None
    cell = _customers(_accounts(rule, scope, facts, questioned=questioned), violating=violating).subquery("cell").c
    named = cell.customer_id if name_all else case((cell.rank != _RANK["compliant"], cell.customer_id))
    statement = select(cell.tier, cell.rank, cell.reason, func.count(), func.array_agg(named)).group_by(
        cell.tier, cell.rank, cell.reason
    )
    verdicts = {rank: verdict for verdict, rank in _RANK.items()}
    return tuple(
        sorted(
            (
                Cells(tier, verdicts[rank], reason, count, tuple(sorted(one for one in customers if one is not None)))
                for tier, rank, reason, count, customers in connection.execute(statement)
            ),
            key=lambda one: (one.tier, one.verdict, one.reason),
        )
    )


def _put_found(connection: Connection, found: Iterable[Found]) -> bool:
    """Fill ``found_accounts``, and say whether there are any."""
    connection.execute(delete(found_accounts))
    hits = [
        {"account_id": account, "customer_id": customer, "tier": one.tier, "whole": one.subject_type in _WHOLE}
        for one in found
        for account, customer in one.owners
    ]
    if hits:
        insert_in_bulk(connection, found_accounts, hits)
    return bool(hits)


_WHOLE = ("group", "customer")
Step = tuple[ColumnElement[bool], int, Any]
"""When it holds of an account, the rank of the verdict, and its reason."""


def _customers(accounts: Select[Any], *, violating: bool) -> Select[Any]:
    """(tier, customer_id, rank, reason): one row a cell, by the precedence of its accounts' verdicts.

    ``violating`` says whether the rule found anybody.
    """
    a = accounts.subquery("verdict").c
    of_cell = (
        select(a.tier, a.customer_id, func.max(a.rank).label("rank"), *(
            func.min(a.reason).filter(a.rank == _RANK[verdict]).label(verdict)
            for verdict in ("not_applicable", "not_evaluated")
        ))
        .group_by(a.tier, a.customer_id)
        .subquery("of_cell")
    )  # fmt: skip
    c = of_cell.c
    why = func.coalesce(
        case(
            (c.rank == _RANK["not_evaluated"], c.not_evaluated), (c.rank == _RANK["not_applicable"], c.not_applicable)
        ),
        "",
    )
    if not violating:
        return select(c.tier, c.customer_id, c.rank, why.label("reason"))
    hit = _hit()
    found = hit.c.customer_id.is_not(None)
    return select(
        c.tier, c.customer_id, case((found, _RANK["violating"]), else_=c.rank).label("rank"),
        case((found, ""), else_=why).label("reason"),
    ).select_from(of_cell.outerjoin(hit, and_(hit.c.tier == c.tier, hit.c.customer_id == c.customer_id)))  # fmt: skip


def _hit() -> Subquery:
    """(tier, customer_id) of the cells in which somebody was found."""
    f, facts = found_accounts.c, account_facts.c
    return union(
        select(f.tier, f.customer_id).where(~f.whole),
        # What a group or a customer as a whole did is said of each of its accounts, whatever the account's own tier.
        select(facts.tier, facts.customer_id).where(
            f.whole, facts.account_id == f.account_id, facts.customer_id == f.customer_id
        ),
    ).subquery("hit")


def _accounts(rule: Rule, scope: Scope, facts: Facts, *, questioned: bool) -> Select[Any]:
    """(tier, customer_id, rank, reason) of every audited account: the first thing that holds for it decides.

    ``questioned`` says whether any may be in question by what the rule finds or says itself.
    """
    f, needs = account_facts.c, rule.spec.needs
    told: list[Subquery] = []

    def because(told_of: Subquery | None, rank: int) -> Step:
        """A reason is told of the account; None is never asked, and so takes no join."""
        if told_of is None:
            return false(), rank, ""
        told.append(told_of)
        return told_of.c.reason.is_not(None), rank, told_of.c.reason

    not_applicable, not_evaluated = _RANK["not_applicable"], _RANK["not_evaluated"]
    missing = ", ".join(f"table {name}" for name in needs.tables if name in scope.unrecorded)
    idle: Step = (~f.used, not_applicable, NO_USAGE)
    exempt = because(_told(_UNUSED, "unused") if rule.inapplicable else None, not_applicable)
    in_question = because(_told(_UNKNOWN, "unknown") if questioned else None, not_evaluated)
    # What an account is exempt from by its record, missing usage cannot change, neither for it nor for those it is
    # linked with.
    by_record = rule.inapplicable is not None and rule.spec.inapplicable_by == "record"
    in_doubt = [because(gaps_of(rule, facts), not_evaluated)]
    own: list[Step] = [(when, not_evaluated, reason) for when, reason in incomplete_usage(rule)]
    asked: list[Step] = [(and_(in_question[0], when), not_evaluated, reason) for when, reason in why_in_question(rule)]
    limited, members = sorted({row.tier for row in scope.limits}), list[Step]()
    if "group" in rule.spec.units:
        of_itself = [*in_doubt, *own]
        others = because(linked_doubts(rule, facts, _told(_UNUSED, "exempted") if by_record else None), not_evaluated)
        in_doubt, own = [*of_itself, others], []
        if by_record:
            of_itself = [(and_(~exempt[0], when), *why) for when, *why in of_itself]
        # A group is found with all its members, idle or of a tier without limits.
        judged = _judged(limited)
        told.append(judged)
        in_group = judged.c.account_id.is_not(None)
        members = [(and_(in_group, when), *why) for when, *why in (*of_itself, others, *asked, in_question)]
        idle = (and_(~f.used, ~in_question[0]), not_applicable, NO_USAGE)
    if "customer" in rule.spec.units and needs.usage:
        in_doubt += [*own, because(customer_doubts(rule, facts), not_evaluated)]
        own = []
    steps: list[Step] = [
        (f.account_id == "UNMAPPED", not_evaluated, "the source names no account"),
        (and_(f.tier == UNASSIGNED, ~f.on_record), not_evaluated, "the account is not in the table accounts"),
        (f.tier == UNASSIGNED, not_evaluated, "no tier is on record for the usage"),
        (
            f.tier.not_in([tier.id for tier in scope.book.tiers]), not_evaluated,
            func.concat("tier ", f.tier, " is not in the policy book"),
        ),
        *members,
        (f.tier.not_in(limited), not_applicable, "no limit for this tier"),
    ]  # fmt: skip
    if missing:
        steps.append((true(), not_evaluated, f"not recorded: {missing}"))
    if by_record:
        steps += [(and_(exempt[0], when), *exempt[1:]) for when, *_ in in_doubt]
    steps += [*in_doubt, idle, exempt] if needs.usage else [*in_doubt, exempt]
    steps += [*own, *asked]
    if "group" in rule.spec.units and not facts.linkable:
        steps.append((true(), not_evaluated, NO_LINKS))
    steps.append(in_question)
    source: FromClause = account_facts
    for one in told:
        of_row = (one.c[name] == f[name] for name in ("account_id", "customer_id", "tier") if name in one.c)
        source = source.outerjoin(one, and_(*of_row))
    return _first_that_holds(steps, source)


def _first_that_holds(steps: Sequence[Step], source: FromClause) -> Select[Any]:
    """(tier, customer_id, rank, reason) of every audited account: its step is looked for once, for rank and reason."""
    f = account_facts.c
    worked_out = {number: why for number, (_, _, why) in enumerate(steps) if not isinstance(why, str)}
    first = case(*((when, number) for number, (when, _, _) in enumerate(steps)), else_=None)
    found = (
        select(
            f.tier, f.customer_id, first.label("step"),
            *(why.label(f"reason_{number}") for number, why in worked_out.items()),
        )
        .select_from(source)
        .where(f.audited)
        .subquery("first_step")
    ).c  # fmt: skip
    ranks = {number: rank for number, (_, rank, _) in enumerate(steps)}
    reasons = {
        number: found[f"reason_{number}"] if number in worked_out else why for number, (_, _, why) in enumerate(steps)
    }
    return select(
        found.tier, found.customer_id,
        case(ranks, value=found.step, else_=_RANK["compliant"]).label("rank"),
        case(reasons, value=found.step, else_=cast(null(), String)).label("reason"),
    )  # fmt: skip


def _judged(tiers: Sequence[str]) -> Subquery:
    """``account_id`` of the members of groups that have one of the tiers."""
    g, of_group = audited_groups.c, group_tiers.c
    held = select(g.account_id).where(of_group.group_id == g.group_id, of_group.tier.in_(tiers))
    return held.distinct().subquery("judged")


def _in_question() -> Select[Any]:
    """The rows of ``account_told`` for whom the most that may have been used puts over a limit."""
    f, a = found_accounts.c, account_facts.c
    return (
        select(literal(_UNKNOWN, SmallInteger), a.account_id, a.customer_id, a.tier, literal(SHARED))
        .where(f.account_id == a.account_id, f.customer_id == a.customer_id, or_(f.whole, f.tier == a.tier))
        .distinct()
    )


def _said(about: int, told: Select[Any]) -> Select[Any]:
    """The rows of ``account_told``: of each account all its customers and tiers, unless the rule names one."""
    s, f = told.subquery("said").c, account_facts.c
    named = [func.coalesce(s[name], f[name]) == f[name] for name in ("customer_id", "tier") if name in s]
    return (
        select(literal(about, SmallInteger), f.account_id, f.customer_id, f.tier, func.min(s.reason))
        .where(s.account_id == f.account_id, *named)
        .group_by(f.account_id, f.customer_id, f.tier)
    )


def _told(about: int, name: str) -> Subquery:
    t = account_told.c
    row = (t.account_id, t.customer_id, t.tier)
    return select(*row, func.min(t.reason).label("reason")).where(t.about == about).group_by(*row).subquery(name)
