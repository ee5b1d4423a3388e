"""Asking every rule about one period, and accounting for every customer and rule.

The rules' selects run on the warehouse; what comes back is one row a violating subject. Whether an account could be
judged at all is decided here, the same way for every rule, from what was recorded of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from audits.errors import AuditsError
from audits.rules.base import Found, Rule
from audits.rules.population import UNASSIGNED, Account, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.dialects import contained
from audits.warehouse.engines import is_gone

Verdict = Literal["compliant", "violating", "not_applicable", "indeterminate", "errored"]
VERDICTS: tuple[Verdict, ...] = ("compliant", "violating", "not_applicable", "indeterminate", "errored")
_MISTAKES = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)  # in a rule's own code
_WHOLE = ("group", "customer")


@dataclass(frozen=True, slots=True)
class Cell:
    """The verdict on one customer under one rule and tier. ``reason`` is empty for compliant and violating ones."""

    customer_id: str
    tier: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of one rule: a cell for every audited customer and tier, and the subjects found."""

    rule: Rule
    cells: tuple[Cell, ...]
    found: tuple[Found, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """The audited accounts of a period and what is known about judging them.

    ``doubts`` maps a rule id to accounts for which a day's data is too poor for that rule, each with the reason.
    ``others`` are accounts under tiers that are not audited now; a group keeps them as its members all the same.
    """

    accounts: tuple[Account, ...]
    doubts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    others: tuple[Account, ...] = ()

    def customer_tiers(self) -> list[tuple[str, str]]:
        """(customer_id, tier) of every cell, in order."""
        return sorted({(account.customer_id, account.tier) for account in self.accounts})

    def owners(self) -> dict[str, str]:
        """account_id -> customer_id of every account, in order."""
        return {one.account_id: one.customer_id for one in sorted((*self.accounts, *self.others), key=_by_account)}


def _by_account(account: Account) -> str:
    return account.account_id


def evaluate(connection: Connection, rule: Rule, scope: Scope, population: Population) -> Evaluation:
    """Ask one rule. A rule that fails is errored in every cell and says why; other rules go on."""
    judge = _Judge(rule, scope, population)
    if inapplicable := scope.book.inapplicable(rule.spec.families, scope.period.first_day, scope.period.last_day):
        return Evaluation(rule, judge.all("not_applicable", inapplicable))
    if missing := ", ".join(f"table {name}" for name in rule.spec.needs.tables if name in scope.unrecorded):
        return Evaluation(rule, judge.all("indeterminate", f"not recorded: {missing}"))
    try:
        with contained(connection):
            found = _found(connection, rule, scope, population)
            unevaluable = _reasons(connection, rule.unevaluable, scope)
            exempt = _reasons(connection, rule.inapplicable, scope)
    except (SQLAlchemyError, AuditsError, *_MISTAKES) as error:
        if isinstance(error, DBAPIError) and is_gone(error):
            raise  # no fault of the rule, and no other rule could be asked either
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        message = f"the rule failed: {type(error).__name__}: {cause}"
        return Evaluation(rule, judge.all("errored", message), error=message)
    return Evaluation(rule, judge.cells(found, unevaluable, exempt), tuple(found))


class _Judge:
    """Turns what is known about accounts into one verdict a customer and tier."""

    def __init__(self, rule: Rule, scope: Scope, population: Population) -> None:
        self.rule, self.population = rule, population
        self.evaluable_share = scope.book.settings(scope.period.last_day).evaluable_share
        self.known_tiers = {tier.id for tier in scope.book.tiers}
        self.limited = {row.tier for row in scope.limits}

    def all(self, verdict: Verdict, reason: str) -> tuple[Cell, ...]:
        return tuple(Cell(customer, tier, verdict, reason) for customer, tier in self.population.customer_tiers())

    def cells(
        self, found: Iterable[Found], unevaluable: Mapping[str, str], inapplicable: Mapping[str, str]
    ) -> tuple[Cell, ...]:
        found = tuple(found)
        # What a group or a customer as a whole did is said of each of its accounts, whatever the account's own tier.
        whole = {account for one in found if one.subject_type in _WHOLE for account in one.account_ids}
        violating = {(customer, one.tier) for one in found for customer in one.customer_ids}
        violating |= {(one.customer_id, one.tier) for one in self.population.accounts if one.account_id in whole}
        reasons: dict[tuple[str, str], dict[Verdict, list[str]]] = defaultdict(lambda: defaultdict(list))
        for account in self.population.accounts:
            verdict, reason = self._account(account, unevaluable, inapplicable)
            reasons[account.customer_id, account.tier][verdict].append(reason)
        return tuple(_combine(key, reasons[key], key in violating) for key in sorted(reasons))

    def _account(
        self, account: Account, unevaluable: Mapping[str, str], inapplicable: Mapping[str, str]
    ) -> tuple[Verdict, str]:
        needs = self.rule.spec.needs
        if account.account_id == "UNMAPPED":
            return "indeterminate", "the source names no account"
        if account.tier == UNASSIGNED:
            return "indeterminate", "no tier is on record for the usage"
        if account.tier not in self.known_tiers:
            return "indeterminate", f"tier {account.tier} is not in the policy book"
        if account.tier not in self.limited:
            return "not_applicable", "no limit for this tier"
        if needs.usage and not account.used:
            return "not_applicable", "no usage in the period"
        if reason := inapplicable.get(account.account_id):
            return "not_applicable", reason
        if needs.usage and needs.grain == "event" and account.n_events == 0:
            return "indeterminate", "only bucketed usage is recorded"
        if needs.usage and account.n_events and (missing := self._unrecorded(account)):
            return "indeterminate", f"not recorded: {missing}"
        if reason := self.population.doubts.get(self.rule.id, {}).get(account.account_id):
            return "indeterminate", reason
        if reason := unevaluable.get(account.account_id):
            return "indeterminate", reason
        return "compliant", ""

    def _unrecorded(self, account: Account) -> str:
        """The needed columns that are not recorded for enough of the account's requests."""
        enough = self.evaluable_share * account.n_events
        return ", ".join(name for name in self.rule.spec.needs.columns if account.recorded[name] < enough)


def _combine(key: tuple[str, str], reasons: Mapping[Verdict, list[str]], violating: bool) -> Cell:
    """One verdict for a customer's accounts: a violation stands, then doubt, then a judgement."""
    if violating:
        return Cell(*key, "violating")
    for verdict in ("indeterminate", "compliant", "not_applicable"):
        if verdict in reasons:
            return Cell(*key, verdict, min(reasons[verdict]))
    raise AssertionError("a cell without any account")  # pragma: no cover


def _found(connection: Connection, rule: Rule, scope: Scope, population: Population) -> list[Found]:
    rows = [dict(row) for row in connection.execute(rule.violations(scope)).mappings()]
    owners = population.owners()
    accounts_of: dict[str, list[str]] = defaultdict(list)
    for account, customer in owners.items():
        accounts_of[customer].append(account)
    members = _members(connection) if "group" in rule.spec.units else {}
    found = [_as_found(rule, row, owners, accounts_of, members) for row in rows]
    found.sort(key=lambda one: (one.tier, one.subject_type, one.subject_id, one.discriminator))
    identities = Counter((one.tier, one.subject_type, one.subject_id, one.discriminator) for one in found)
    if twice := [identity for identity, times in identities.items() if times > 1]:
        raise AuditsError(
            f"{rule.id} returned a subject twice: {min(twice)}",
            where=str(rule.folder / "rule.py"),
            fix="Group the select by its subject and tier, or tell the rows apart by a column named discriminator.",
        )
    return found


def _as_found(
    rule: Rule,
    row: Mapping[str, Any],
    owners: Mapping[str, str],
    accounts_of: Mapping[str, Sequence[str]],
    members: Mapping[str, Sequence[str]],
) -> Found:
    kind, subject = row.get("subject_type") or rule.spec.units[0], str(row["subject_id"])
    match kind:
        case "account":
            accounts: Sequence[str] = [subject]
        case "group":
            accounts = members.get(subject, ())
        case "customer":
            accounts = accounts_of.get(subject, ())
        case _:
            accounts = [str(row["account_id"])] if row.get("account_id") else []
    unknown = [account for account in accounts if account not in owners]
    if unknown or (kind != "network" and not accounts):
        whose = f", whose account {unknown[0]}" if unknown and kind != "account" else ""
        raise AuditsError(
            f"{rule.id} returned {kind} {subject}{whose}, which is not among the audited ones.",
            where=str(rule.folder / "rule.py"),
            fix="Select from scope.usage(...), scope.accounts() or scope.groups(), which hold audited accounts only; "
            "a key needs its account_id.",
        )
    return Found(
        subject_type=kind,
        subject_id=subject,
        tier=row["tier"],
        severity=row.get("severity") or rule.spec.severity,
        discriminator=str(row.get("discriminator") or ""),
        account_ids=tuple(sorted(accounts)),
        customer_ids=tuple(sorted({owners[account] for account in accounts})),
        observed=_part(row, "observed_"),
        limits=_part(row, "limit_"),
    )


def _part(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): plain(value) for name, value in row.items() if name.startswith(prefix)}


def plain(value: Any) -> Any:
    """A value as JSON has it, the same on every engine: whole numbers as int, others rounded to six places."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    number = round(float(value), 6)
    return int(number) if number.is_integer() else number


def _members(connection: Connection) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    g = audited_groups.c
    for row in connection.execute(select(g.group_id, g.account_id).order_by(g.group_id, g.account_id)):
        members[row.group_id].append(row.account_id)
    return dict(members)


def _reasons(connection: Connection, ask: Callable[[Scope], Any] | None, scope: Scope) -> dict[str, str]:
    if ask is None:
        return {}
    return {row.account_id: row.reason for row in connection.execute(ask(scope))}
