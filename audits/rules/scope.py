"""What a rule is given: the period, the limits in force, and rollups already joined to both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    String,
    Subquery,
    Table,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    union_all,
    values,
)
from sqlalchemy.types import Boolean, Float, TypeEngine

from audits.periods import Period, utc_midnight
from audits.policy import Book, LimitRow
from audits.rules.base import RuleSpec
from audits.rules.population import UNASSIGNED, audited_accounts, audited_groups
from audits.warehouse.dialects import midnight
from audits.warehouse.tables import Instant, territories, usage_buckets, usage_events

_FOREVER = date(9999, 12, 31)


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

    @property
    def baseline_from(self) -> date:
        """First day of the rule's baseline; the period's own first day where it has none."""
        return self.period.first_day - timedelta(days=self.spec.baseline_days)

    def limit_rows(self) -> Subquery:
        """``tier``, ``from_day``, ``to_day`` (exclusive) and one ``limit_<parameter>`` column a parameter."""
        types = {name: _sql_type(parameter.type) for name, parameter in self.spec.parameters.items()}
        rows = values(
            column("tier", String),
            column("from_day", Date),
            column("to_day", Date),
            *(column(f"limit_{name}", kind) for name, kind in types.items()),
            name="limit_values",
        ).data(
            [
                (
                    row.tier,
                    row.from_day,
                    row.to_day or _FOREVER,
                    *(_plain(row.values[name], types[name]) for name in types),
                )
                for row in self.limits
            ]
        )
        # The casts give the literals their types on engines that take a bare VALUES for text.
        return select(*(cast(c, c.type).label(c.name) for c in rows.c)).subquery("limits")

    def usage(self, rollup: Table, *, baseline: bool = False) -> Subquery:
        """The rollup's rows of the period (and baseline, if asked), each once, with what held at its slice.

        Adds ``customer_id``, ``tier``, ``tier_rank`` and the ``limit_...`` columns in force. Rows of accounts outside
        of the rule's tiers are left out. With ``baseline`` the tier and limits are still those of the row's own day.
        """
        r: Any = rollup.c
        a: Any = audited_accounts.c
        limits = self.limit_rows()
        first = self.baseline_from if baseline else self.period.first_day
        joined = rollup.join(
            audited_accounts,
            and_(a.account_id == r.account_id, r.slice_start >= a.valid_from, r.slice_start < a.valid_to),
        ).join(limits, and_(limits.c.tier == a.tier, r.day >= limits.c.from_day, r.day < limits.c.to_day))
        return (
            select(rollup, a.customer_id, a.tier, a.tier_rank, *(c for c in limits.c if c.name.startswith("limit_")))
            .select_from(joined)
            .where(r.day.between(first, self.period.last_day))
            .subquery(rollup.name)
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

        From the warehouse where it has them, else from the policy book; either way evidence can join it.
        """
        t = territories.c
        forever = literal(utc_midnight(_FOREVER), Instant)
        if "territories" not in self.unrecorded:
            ends = func.coalesce(t.valid_to, forever).label("valid_to")
            return select(t.country, t.status, t.valid_from, ends).subquery("territory")
        rows = values(
            column("country", String), column("status", String), column("first", Date), column("after", Date),
            name="book_territories",
        ).data(
            [
                (row.country, row.status, row.from_day, row.to_day or _FOREVER)
                for row in self.book.territories(self.baseline_from, self.period.last_day)
            ]
        )  # fmt: skip
        return select(
            rows.c.country,
            rows.c.status,
            midnight(cast(rows.c.first, Date)).label("valid_from"),
            midnight(cast(rows.c.after, Date)).label("valid_to"),
        ).subquery("territory")

    def tier_at(self, rank: ColumnElement[int]) -> ColumnElement[str]:
        """The tier of a rank: ``tier_at(func.max(rows.tier_rank))`` is the highest of several."""
        return case({number: tier.id for number, tier in enumerate(self.book.tiers)}, value=rank, else_=UNASSIGNED)

    def group_usage(self, rollup: Table, *, baseline: bool = False) -> Subquery:
        """The members' rollup rows of the period (and baseline) with the group's ``group_id``, ``tier`` and limits."""
        r: Any = rollup.c
        g = self.groups()
        first = self.baseline_from if baseline else self.period.first_day
        return (
            select(rollup, *(c for c in g.c if c.name != "account_id"))
            .select_from(rollup.join(g, g.c.account_id == r.account_id))
            .where(r.day.between(first, self.period.last_day))
            .subquery(f"group_{rollup.name}")
        )

    def limit_of(self, rule_id: str, parameter: str) -> Subquery:
        """Another rule's limit: ``tier``, ``from_day``, ``to_day`` (exclusive) and ``value``, as a number."""
        rows = values(
            column("tier", String), column("from_day", Date), column("to_day", Date), column("value", Float(53)),
            name=f"values_of_{rule_id.lower()}",
        ).data(
            [
                (row.tier, row.from_day, row.to_day or _FOREVER, float(row.values[parameter]))  # type: ignore[arg-type]
                for row in self.book.limits(rule_id, self.baseline_from, self.period.last_day)
            ]
        )  # fmt: skip
        return select(*(cast(c, c.type).label(c.name) for c in rows.c)).subquery(f"limit_of_{rule_id.lower()}")

    def events_of(self, accounts: Iterable[str], *more: ColumnElement[bool]) -> Select[Any]:
        """Evidence: the period's requests of some accounts, in order of time, straight from the contract's table."""
        e = usage_events.c
        return (
            select(
                e.event_id, e.event_ts, e.account_id, e.api_key_hash, e.operation, e.model_requested, e.model_served,
                e.input_tokens, e.output_tokens, e.status_code,
            )
            .where(e.account_id.in_(sorted(accounts)))
            .where(e.event_ts >= literal(self.period.start), e.event_ts < literal(self.period.end), *more)
            .order_by(e.event_ts, e.event_id)
        )  # fmt: skip

    def usage_of(self, accounts: Iterable[str], *more: ColumnElement[bool]) -> Select[Any]:
        """Evidence for rules that buckets suffice for: the requests of some accounts and, beside them, their buckets.

        ``more`` narrows the requests. A bucket has no event id, and the requests that its source counts for it.
        """
        held, e, b = sorted(accounts), usage_events.c, usage_buckets.c
        requests = select(
            e.source_system, e.event_ts.label("at"), e.event_id, e.account_id, e.api_key_hash,
            e.model_requested.label("model"), literal(1, BigInteger).label("n_requests"), e.input_tokens,
            e.output_tokens,
        ).where(e.account_id.in_(held), self.in_period(e.event_ts), *more)  # fmt: skip
        buckets = select(
            b.source_system, b.bucket_start, cast(null(), String), b.account_id, b.api_key_hash, b.model, b.n_requests,
            b.input_tokens, b.output_tokens,
        ).where(b.account_id.in_(held), self.in_period(b.bucket_start))  # fmt: skip
        rows = union_all(requests, buckets).subquery("usage")
        return select(*rows.c).order_by(rows.c.at, rows.c.event_id, rows.c.api_key_hash, rows.c.model)

    def in_period(self, instant: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether an instant lies in the period."""
        return and_(instant >= literal(self.period.start), instant < literal(self.period.end))


def _sql_type(kind: str) -> TypeEngine[Any]:
    match kind:
        case "severity" | "words":
            return String()
        case "flag":
            return Boolean()
        case _:
            return Float(53)


def _plain(value: Any, kind: TypeEngine[Any]) -> Any:
    if isinstance(kind, String):
        return ",".join(value) if isinstance(value, list | tuple) else str(value)
    return bool(value) if isinstance(kind, Boolean) else float(value)
