"""What a rule is given: the period, the limits in force, and rollups already joined to both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnClause,
    ColumnElement,
    Date,
    FromClause,
    Select,
    String,
    Subquery,
    and_,
    case,
    column,
    exists,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.types import Float

from audits.periods import Period, utc_midnight
from audits.policy import Book, LimitRow
from audits.quality.quarantine import is_impossible
from audits.quality.usual import Day
from audits.rollups.account_day import account_day
from audits.rules.engine.base import Found, RuleSpec
from audits.rules.engine.intermediate import Intermediates
from audits.rules.engine.literal_table import literal_of, sql_type, table_of
from audits.rules.engine.population import UNASSIGNED, audited_accounts, audited_groups, held
from audits.rules.engine.unread import with_unread
from audits.rules.engine.usage_evidence import usage_of
from audits.warehouse.dialects import midnight, utc_day
from audits.warehouse.dimensions import territories_in_force, tiers_in_force
from audits.warehouse.tables import usage_events
from audits.warehouse.validity import holds

_FOREVER = date(9999, 12, 31)
_JOINED = ("account_id", "valid_from", "valid_to", "from_day", "to_day")
"""Columns by which a rollup is joined with accounts and their limits."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One rule's view of one period.

    ``limits`` are the rule's parameters per tier with the days on which they are in force; tiers that the book gives
    the rule no limits for do not appear, so joining to :meth:`limit_rows` leaves them out.
    """

    period: Period
    spec: RuleSpec
    book: Book
    limits: tuple[LimitRow, ...]
    unrecorded: frozenset[str] = field(default_factory=frozenset)  # contract tables that are absent or empty
    blocked: tuple[Day, ...] = ()  # whose rows must not be read, and are in no rollup
    set_aside: tuple[Day, ...] = ()  # whose rows this rule must not read
    incomplete: tuple[Day, ...] = ()  # of which rows that this rule reads may be missing
    bucketed: bool = False  # rollups have what buckets tell of: see :mod:`audits.rules.engine.unread`
    lasting: bool = False  # some buckets are of several days, with a number of requests
    at_most: bool = False  # of what may be counted twice: see :mod:`audits.rules.engine.volume`
    intermediates: Intermediates | None = None  # while the rule is evaluated; statements stand by themselves without

    @property
    def baseline_from(self) -> date:
        """First day of the rule's baseline; the period's own first day where it has none."""
        return self.period.first_day - timedelta(days=self.spec.baseline_days)

    def computed_once(self, name: str, rows: Callable[[], Select[Any]]) -> FromClause:
        """What ``rows`` selects, for several statements of the rule to read: computed once in an evaluation."""
        return self.intermediates.table(name, rows) if self.intermediates else rows().subquery(name)

    def limit_rows(self) -> FromClause:
        """``tier``, ``from_day``, ``to_day`` (exclusive) and one ``limit_<parameter>`` column a parameter."""
        return self.computed_once("limits", self._limits)

    def _limits(self) -> Select[Any]:
        types = {name: sql_type(parameter.type) for name, parameter in self.spec.parameters.items()}
        columns: list[ColumnClause[Any]] = [column("tier", String), column("from_day", Date), column("to_day", Date)]
        columns += [column(f"limit_{name}", kind) for name, kind in types.items()]
        rows = [
            (
                row.tier,
                row.from_day,
                row.to_day or _FOREVER,
                *(literal_of(row.values[name], types[name]) for name in types),
            )
            for row in self.limits
        ]
        return select(table_of(columns, rows, "limits"))

    def usage(self, rollup: FromClause, *, baseline: bool = False, by: FromClause | None = None) -> Subquery:
        """The rollup's rows of the period (and baseline, if asked), each once, with what held at its slice.

        Adds ``customer_id``, ``tier``, ``tier_rank`` and the ``limit_...`` columns in force. Rows of accounts outside
        of the rule's tiers are left out. With ``baseline`` the tier and limits are still those of the row's own day.
        ``by`` takes the place of :meth:`accounts_with_limits`, for a rule that judges by more than tier and limits.
        """
        rollup = with_unread(self, rollup)
        r: Any = rollup.c
        accounts = self.accounts_with_limits() if by is None else by
        a: Any = accounts.c
        first = self.baseline_from if baseline else self.period.first_day
        at_the_time = and_(held(rollup, accounts), r.day >= a.from_day, r.day < a.to_day)
        return (
            select(rollup, *(c for c in a if c.name not in _JOINED))
            .select_from(rollup.join(accounts, at_the_time))
            .where(r.day.between(first, self.period.last_day), self.readable(rollup))
            .subquery(rollup.description)
        )

    def accounts(self) -> Subquery:
        """Audited accounts with the tier that held and the limits in force, clipped to the period.

        Columns: ``account_id``, ``customer_id``, ``tier``, ``tier_rank``, ``valid_from``, ``valid_to``, ``limit_...``.
        """
        a: Any = audited_accounts.c
        limits = self.limit_rows()
        return (
            select(audited_accounts, *(c for c in limits.c if c.name.startswith("limit_")))
            .select_from(
                audited_accounts.join(
                    limits,
                    and_(
                        limits.c.tier == a.tier,
                        limits.c.from_day <= self.period.last_day,
                        limits.c.to_day > self.period.first_day,
                    ),
                )
            )
            .where(a.valid_from < self.period.end, a.valid_to > self.period.start)
            .subquery("accounts_in_scope")
        )

    def accounts_with_limits(self) -> FromClause:
        """The audited accounts with the limits of their tiers, ``from_day`` to ``to_day`` (exclusive).

        A table of its own: of a rollup, accounts and limits DuckDB joins the rollup with the limits first, each row
        with those of every tier.
        """
        a, limits = audited_accounts.c, self.limit_rows().c
        held = select(audited_accounts, *(c for c in limits if c.name != "tier")).where(limits.tier == a.tier)
        return self.computed_once("accounts_with_limits", lambda: held)

    def groups(self) -> Subquery:
        """``group_id``, ``account_id``, ``tier`` (its highest) and the ``limit_...`` at the period's end."""
        limits = self.limit_rows()
        g = audited_groups
        last = self.period.last_day
        in_force = and_(limits.c.tier == g.c.tier, limits.c.from_day <= last, limits.c.to_day > last)
        return (
            select(g, *(c for c in limits.c if c.name.startswith("limit_")))
            .select_from(g.join(limits, in_force))
            .subquery("groups_in_scope")
        )

    def territories(self) -> Subquery:
        """``country``, ``status``, ``valid_from``, ``valid_to`` (exclusive, never NULL).

        From the warehouse where it has them, else from the policy book; either way evidence can join it. A country has
        one status at a time.
        """
        if "territories" not in self.unrecorded:
            return territories_in_force()
        columns: list[ColumnClause[Any]] = [
            column("country", String), column("status", String), column("from_day", Date), column("to_day", Date)
        ]  # fmt: skip
        of_book = [
            (row.country, row.status, row.from_day, row.to_day or _FOREVER)
            for row in self.book.territories(self.baseline_from, self.period.last_day)
        ]
        b = table_of(columns, of_book, "book_territories").c
        return select(
            b.country, b.status, midnight(b.from_day).label("valid_from"), midnight(b.to_day).label("valid_to")
        ).subquery("territory")

    def tier_at(self, rank: ColumnElement[int]) -> ColumnElement[str]:
        """The tier of a rank: ``tier_at(func.max(rows.tier_rank))`` is the highest of several."""
        return case({number: tier.id for number, tier in enumerate(self.book.tiers)}, value=rank, else_=UNASSIGNED)

    def members_of(self, subjects: FromClause) -> Select[Any]:
        """``account_id`` of the accounts that subjects (``subject_type``, ``subject_id``) consist of."""
        s, g = subjects.c, audited_groups.c
        members = union_all(
            select(s.subject_id.label("account_id")).where(s.subject_type == "account"),
            select(g.account_id).where(s.subject_type == "group", g.group_id == s.subject_id),
        ).subquery("members")
        return select(members.c.account_id)

    def requests(
        self, among: Select[Any] | Iterable[str], *columns: ColumnElement[Any], where: Iterable[ColumnElement[bool]]
    ) -> CTE:
        """Single requests of some accounts in the shape of a rollup, for :meth:`usage` and group levels.

        For what no rollup holds, and then for candidates only: ``among`` selects their ``account_id``, or is
        them. As in the rollups, impossible rows are left out and a request that was delivered again is there once.
        """
        held = among if isinstance(among, Select) else sorted(among)
        e, day = usage_events.c, utc_day(usage_events.c.event_ts)
        since = literal(utc_midnight(self.baseline_from))
        return (
            select(e.event_id, day.label("day"), e.event_ts.label("slice_start"), e.account_id, *columns)
            .where(e.event_ts >= since, e.event_ts < literal(self.period.end), self.countable(usage_events))
            .where(e.account_id.in_(held), *where)
            .distinct()
            .cte("requests")  # read once, for accounts and for groups
        )

    def limit_of(self, rule_id: str, parameter: str) -> Subquery:
        """Another rule's limit: ``tier``, ``from_day``, ``to_day`` (exclusive) and ``value``, as a number."""
        columns: list[ColumnClause[Any]] = [
            column("tier", String), column("from_day", Date), column("to_day", Date), column("value", Float(53))
        ]  # fmt: skip
        rows = [
            (row.tier, row.from_day, row.to_day or _FOREVER, float(row.values[parameter]))  # type: ignore[arg-type]
            for row in self.book.limits(rule_id, self.baseline_from, self.period.last_day)
        ]
        return table_of(columns, rows, f"limit_of_{rule_id.lower()}")

    def events_of(
        self, accounts: Iterable[str] | None, *more: ColumnElement[bool], since: date | None = None
    ) -> Select[Any]:
        """Evidence: the period's requests of some accounts, in order of time, straight from the contract's table.

        None is any account, for what is found of a key. As in the rollups, impossible rows are left out and a request
        that was delivered again is there once. ``since`` is an earlier first day, for a finding that reaches back
        before the period.
        """
        e = usage_events.c
        begins = utc_midnight(since) if since else self.period.start
        return (
            select(
                e.event_id, e.event_ts, e.account_id, e.api_key_hash, e.operation, e.model_requested, e.model_served,
                e.input_tokens, e.output_tokens, e.status_code,
            )
            .where(true() if accounts is None else e.account_id.in_(sorted(accounts)))
            .where(e.event_ts >= literal(begins), e.event_ts < literal(self.period.end))
            .where(self.countable(usage_events), *more)
            .distinct()
            .order_by(e.event_ts, e.event_id)
        )  # fmt: skip

    def usage_of(
        self, accounts: Iterable[str] | Select[Any], *more: ColumnElement[bool], since: date | None = None
    ) -> Select[Any]:
        """Evidence for rules that buckets suffice for: the requests of some accounts and, beside them, their buckets.

        ``more`` narrows the requests. A bucket has no event id, and the requests that its source counts for it; where
        there are requests that may be in it, a row tells what buckets count beyond them.
        ``until`` is when a bucket ends, and of a request its own time. ``n_ok`` of a request is 1 where it succeeded.
        ``accounts`` may be a select of ids; ``since`` is an earlier first day.
        """
        of, begins = (
            accounts if isinstance(accounts, Select) else sorted(accounts),
            utc_midnight(since or self.period.first_day),
        )
        return usage_of(of, begins, self.period.end, self.sound, more)

    def countable(self, events: FromClause) -> ColumnElement[bool]:
        """Whether a row of ``usage_events`` counts, as in the rollups: it is possible, and its source's day is sound.

        Rules that read single requests, and evidence, leave the same rows out as the rollups do.
        """
        e: Any = events.c
        return and_(~is_impossible(events), self.sound(e.source_system, utc_day(e.event_ts)))

    def readable(self, rollup: FromClause) -> ColumnElement[bool]:
        """Whether a row of a rollup has nothing of a day that is set aside for the rule.

        Rows of an account's day that are of several sources, as those of most rollups, are left out if any of these is;
        of bounded rules they are kept as unread.
        """
        if not self.set_aside or "set_aside" in rollup.c:
            return true()
        r: Any = rollup.c
        if "source_system" in r:
            return self.sound(r.source_system, r.day)
        d = account_day.c
        unsound = and_(d.account_id == r.account_id, d.day == r.day, ~self.sound(d.source_system, d.day))
        return ~exists(select(d.account_id).where(unsound))

    def sound(self, source: ColumnElement[str] | str, day: ColumnElement[date]) -> ColumnElement[bool]:
        """Whether a day of a source is neither blocked nor set aside for the rule."""
        days: dict[str, list[date]] = {}
        for one, of in sorted({*self.blocked, *self.set_aside}):
            days.setdefault(of, []).append(one)
        if isinstance(source, str):
            return day.not_in(days[source]) if source in days else true()
        return and_(true(), *(or_(source != of, day.not_in(theirs)) for of, theirs in sorted(days.items())))

    def in_tier(
        self,
        found: Found,
        at: ColumnElement[Any] = usage_events.c.event_ts,
        account: ColumnElement[Any] = usage_events.c.account_id,
        until: ColumnElement[Any] | None = None,
    ) -> ColumnElement[bool]:
        """Evidence: whether the account was in the finding's tier at an instant; a group's members may be in any.

        With ``until``: and all the time until then.
        """
        if found.subject_type == "group":
            return true()
        t = self.tiers(found.account_ids).c
        then = holds(t, at) if until is None else and_(holds(t, at), until <= t.valid_to)
        return exists(select(t.tier).where(t.account_id == account, t.tier == found.tier, then))

    def tiers(self, of: Iterable[str] | Select[Any]) -> Subquery:
        """Evidence: ``account_id``, ``tier``, ``valid_from`` and ``valid_to`` of some accounts' tiers in force."""
        return tiers_in_force([tier.id for tier in self.book.tiers], of)

    def under_limits(self, found: Found, at: ColumnElement[Any] = usage_events.c.event_ts) -> ColumnElement[bool]:
        """Evidence: whether the very limits that a finding names were in force at an instant."""
        spans = [
            and_(at >= literal(utc_midnight(row.from_day)), at < literal(utc_midnight(row.to_day or _FOREVER)))
            for row in self.limits
            if row.tier == found.tier
            and all(
                _same(row.values[name], v) for name, v in found.limits.items() if name in row.values and v is not None
            )
        ]
        return or_(*spans) if spans else true()

    def in_period(self, instant: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether an instant lies in the period."""
        return and_(instant >= literal(self.period.start), instant < literal(self.period.end))


def _same(limit: Any, named: Any) -> bool:
    """Whether a limit is the one that a finding names, which carries six places."""
    return limit == named if isinstance(named, str | bool) else math.isclose(limit, named, abs_tol=1e-6)
