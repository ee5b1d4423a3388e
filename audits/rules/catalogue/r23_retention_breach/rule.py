"""R23: content that the provider kept although the contract, or zero retention, says otherwise. The duty is ours."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)

from audits.rollups.account_retention_day import account_retention_day
from audits.rules.engine.base import SEVERITIES, Found
from audits.rules.engine.customers import told_apart
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import of_worst, worst
from audits.warehouse.dimensions import contracts_in_force
from audits.warehouse.tables import accounts, usage_events
from audits.warehouse.validity import holds

NOTHING, SOONER = "to keep nothing", "to delete it sooner"


def violations(scope: Scope) -> Select[Any]:
    """Accounts with requests kept under zero retention, or for longer than the contract in force at their time allows.

    Where a limit changes inside the period, each part is held against its own; the most severe is reported, then the
    largest.
    """
    counts = _counts(scope)
    c = counts.c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=c.limit_severity)
    order = (gravity.desc(), c.kept.desc(), c.limit_events_min)
    w = worst(counts, ("account_id", "customer_id", "tier"), order, c.kept >= c.limit_events_min)
    return select(
        w.account_id.label("subject_id"),
        w.customer_id,
        w.tier,
        told_apart(w.account_id, w.customer_id).label("discriminator"),
        w.limit_severity.label("severity"),
        w.kept.label("observed_requests_kept_too_long"),
        case((w.allowed == 0, NOTHING), else_=SOONER).label("observed_agreed"),
        case((w.longest > w.allowed, w.longest)).label("observed_longest_retention_days"),
        w.allowed.label("limit_retention_days"),
        w.limit_events_min,
        w.limit_severity,
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with enough requests kept too long if those of which too little is recorded were kept so."""
    c = _counts(scope).c
    doubtful = and_(c.missing > 0, c.kept + c.missing >= c.limit_events_min)
    return select(c.account_id, c.customer_id, c.tier, func.concat("not recorded: ", c.what).label("reason")).where(
        doubtful
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without zero retention, and their customers that have no term on retention in the period."""
    o, c, z = account_owners.c, contracts_in_force().c, _agreed_zero().c
    bound = select(c.customer_id).where(
        c.retention_days_max.is_not(None),
        c.valid_from < literal(scope.period.end),
        c.valid_to > literal(scope.period.start),
    )
    return (
        select(o.account_id, o.customer_id, literal("no term on retention is on record").label("reason"))
        .where(z.account_id == o.account_id, ~z.zero, o.customer_id.not_in(bound))
        .where(literal("contracts" not in scope.unrecorded))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests whose content was kept for longer than allowed at their time."""
    e, a, c = usage_events.c, accounts.c, contracts_in_force().c
    held = and_(c.customer_id.in_(found.customer_ids), holds(c, e.event_ts))
    longer = or_(c.retention_days_max == 0, e.retention_days > c.retention_days_max)
    zero = e.account_id.in_(select(a.account_id).where(a.zero_retention))
    too_long = or_(zero, exists(select(c.customer_id).where(held, longer)))
    return scope.events_of(
        found.account_ids, e.content_stored, too_long, scope.in_tier(found), scope.under_limits(found)
    ).add_columns(e.content_stored, e.retention_days)


@computed_once
def _counts(scope: Scope) -> Select[Any]:
    """Of each account, customer and set of limits the requests ``kept`` too long, and those ``missing``: they may be.

    ``longest`` and ``allowed`` are of the request kept furthest beyond its contract; ``what`` is missing, in words.
    """
    k = _kept(scope).c
    too_long = func.coalesce(or_(k.allowed == 0, k.retention_days > k.allowed), false())
    part = (k.account_id, k.customer_id, k.tier, k.limit_events_min, k.limit_severity)
    furthest = ((k.retention_days - k.allowed).desc().nulls_last(), k.retention_days.desc(), k.allowed)
    known = and_(too_long, k.n_stored > 0)
    place = func.row_number().over(partition_by=part, order_by=(case((known, 0), else_=1), *furthest))
    rows = select(*k, too_long.label("too_long"), place.label("place")).subquery("rows").c
    maybe, what = _missing(scope, rows)
    part = (rows.account_id, rows.customer_id, rows.tier, rows.limit_events_min, rows.limit_severity)
    return (
        select(
            *part,
            func.coalesce(func.sum(rows.n_stored).filter(rows.too_long), 0).label("kept"),
            func.sum(maybe).label("missing"),
            func.min(what).filter(maybe > 0).label("what"),
            of_worst(rows.place, rows.retention_days).label("longest"),
            of_worst(rows.place, rows.allowed).label("allowed"),
        )
        .group_by(*part)
    )  # fmt: skip


def _missing(scope: Scope, rows: Any) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """The requests of a row that may have been kept too long, beside those that were, and what is not recorded."""
    no_contracts = literal("contracts" in scope.unrecorded)
    any_length = or_(rows.zero.is_(None), and_(~rows.zero, no_contracts))
    too_long = or_(any_length, rows.too_long, and_(rows.allowed > 0, rows.retention_days.is_(None)))
    stored = case((rows.too_long, 0), else_=rows.n_stored)
    what = case(
        (and_(rows.n_perhaps_stored > 0, rows.too_long), "content_stored"),
        (rows.zero.is_(None), "zero_retention of the account"),
        (no_contracts, "table contracts"),
        (rows.n_stored > 0, "retention_days of kept content"),
        else_="content_stored",
    )
    return case((func.coalesce(too_long, false()), stored + rows.n_perhaps_stored), else_=0), what


def _kept(scope: Scope) -> Subquery:
    """Rollup rows by customer with ``zero`` (NULL where not recorded) and the days ``allowed`` at their time.

    An account's zero retention goes before any contract.
    """
    u, c, z, o = scope.usage(account_retention_day), contracts_in_force(), _agreed_zero(), account_owners
    row = u.c
    return (
        select(
            row.account_id, o.c.customer_id, row.tier, row.limit_events_min, row.limit_severity, row.retention_days,
            row.n_stored, row.n_perhaps_stored, z.c.zero,
            case((z.c.zero, 0), else_=c.c.retention_days_max).label("allowed"),
        )
        .select_from(
            u.join(z, z.c.account_id == row.account_id)
            .join(o, o.c.account_id == row.account_id)
            .outerjoin(c, and_(c.c.customer_id == o.c.customer_id, holds(c.c, row.slice_start)))
        )
        .subquery("kept")
    )  # fmt: skip


def _agreed_zero() -> Subquery:
    """Every account once with ``zero``: whether zero retention was agreed for it, NULL where that is not recorded."""
    zero = func.bool_or(accounts.c.zero_retention, type_=Boolean).label("zero")
    return select(accounts.c.account_id, zero).group_by(accounts.c.account_id).subquery("agreed")
