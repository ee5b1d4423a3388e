"""R21: use of a model before its release or after its retirement, and models that were not the ones asked for.

What a name stands for is the provider's own promise: a model in the table of models promises itself and its dated
versions; the name of a family any model of the family; ``...-latest``, and a name that is no model at all, nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)

from audits.rollups.account_model_day import account_model_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.listed import listed
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import models, usage_events

OUTSIDE, SUBSTITUTED = "outside dates", "substituted"
LIMITS = {OUTSIDE: "limit_retired_requests_min", SUBSTITUTED: "limit_substituted_requests_min"}
"""Each kind of finding and its limit."""
DIGITS, ANY = "0123456789", "##########"


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough requests outside of a model's dates, or answered by another model than was asked for.

    Where a limit changes inside the period, each part is held against its own; the one with most requests is shown.
    """
    found = []
    for kind, limit in LIMITS.items():
        counts = _counts(scope, kind)
        c = counts.c
        w = worst(counts, ("account_id", "tier"), (c.requests.desc(), c.first_day), c.requests >= c[limit])
        limits = (w[name] if name == limit else cast(null(), Float(53)).label(name) for name in LIMITS.values())
        found.append(
            select(
                w.account_id.label("subject_id"), w.tier, literal(kind).label("discriminator"),
                w.requests.label("observed_requests"), w.models.label("observed_models"), *limits,
            )
        )  # fmt: skip
    return select(union_all(*found).subquery("found"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with enough such requests if those of which too little is known were such."""
    unknown = []
    for kind, limit in LIMITS.items():
        c = _counts(scope, kind).c
        what = case((c.not_told > 0, "model_served"), else_="the dates of the models")
        doubtful = and_(c.missing > 0, c.requests + c.missing >= c[limit])
        unknown.append(
            select(c.account_id, c.tier, func.concat("not recorded: ", what).label("reason")).where(doubtful)
        )
    return any_of(*unknown)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests outside of the dates of the model that answered, or answered by another model."""
    e, m, asked = usage_events.c, _dates().c, _dates("asked").c
    requests = scope.events_of(found.account_ids, e.status_code < 400, scope.in_tier(found), scope.under_limits(found))
    if found.discriminator == OUTSIDE:
        late_or_early = or_(e.event_ts >= m.retired_at, e.event_ts < m.released_at)
        return requests.add_columns(m.released_at, m.retired_at).where(m.model == _served(e), late_or_early)
    return requests.where(asked.model == e.model_requested, _is_other(e, asked.family))


@computed_once
def _counts(scope: Scope, kind: str) -> Select[Any]:
    """Of each account and limit the ``requests`` of a kind, the ``models`` and the first day.

    ``missing`` requests may be of the kind, for all that is known; of ``not_told`` ones among them nobody knows which
    model answered.
    """
    limit = LIMITS[kind]
    known = (_outside if kind == OUTSIDE else _substitutions)(scope, limit).c
    u, on_record = scope.usage(account_model_day).c, select(models.c.model)
    told = u.model_served.is_not(None)
    may_be = or_(~told, u.model_served.not_in(on_record)) if kind == OUTSIDE else ~told
    # A name that is no model promises nothing; what was asked for and is known to be outside of its dates is counted.
    promises = or_(u.model_requested.in_(on_record), u.model_requested.is_(None))  # NULL: known from a bucket alone
    maybe = and_(may_be, true() if kind == OUTSIDE else promises)
    rows = union_all(
        select(
            known.account_id, known.tier, known[limit], known.day, known.what, known.n,
            (-known.not_told).label("missing"), (-known.not_told).label("not_told"),
        ),
        select(
            u.account_id, u.tier, u[limit], u.day, cast(null(), String), literal(0), u.n_ok,
            case((told, 0), else_=u.n_ok),
        ).where(u.n_ok > 0, maybe),
    ).subquery(f"rows_{limit}").c  # fmt: skip
    key = (rows.account_id, rows.tier, rows[limit])
    return (
        select(
            *key, func.sum(rows.n).label("requests"), listed(rows.what).label("models"),
            func.min(rows.day).label("first_day"), func.sum(rows.missing).label("missing"),
            func.sum(rows.not_told).label("not_told"),
        )
        .group_by(*key)
    )  # fmt: skip


def _outside(scope: Scope, limit: str) -> Subquery:
    """Successful requests outside of the dates of the model that answered, by account, day and model.

    Where it is not recorded (``not_told``), the one that was asked for is taken for it.
    Of a day that a release or retirement cuts, the requests are read one by one; others are the rollup's.
    """
    u, m = scope.usage(account_model_day), _dates()
    on_record = u.join(m, m.c.model == _served(u.c))
    retired_on, released_on = utc_day(m.c.retired_at), utc_day(m.c.released_at)
    whole = or_(u.c.day > retired_on, u.c.day < released_on)
    late = u.c.last_ok_ts >= m.c.retired_at
    early = u.c.first_ok_ts < m.c.released_at  # adequacy: equivalent, because each request is held against it again
    cut = or_(and_(u.c.day == retired_on, late), and_(u.c.day == released_on, early))
    wholes = (
        select(
            u.c.account_id,
            u.c.tier,
            u.c.day,
            u.c[limit],
            m.c.model.label("what"),
            u.c.n_ok.label("n"),
            case((u.c.model_served.is_(None), u.c.n_ok), else_=0).label("not_told"),
        )
        .select_from(on_record)
        .where(u.c.n_ok > 0, whole)
    )
    e = usage_events
    days = (
        select(u.c.account_id, u.c.day, m.c.model).select_from(on_record).where(cut).distinct().subquery("cut_days").c
    )
    same = and_(days.account_id == e.c.account_id, days.day == utc_day(e.c.event_ts), days.model == _served(e.c))
    untold = case((e.c.model_served.is_(None), 1), else_=0).label("not_told")
    singles = (
        select(e.c.event_id, e.c.event_ts.label("slice_start"), e.c.account_id, days.day, m.c.model, untold)
        .where(same, m.c.model == days.model, scope.in_period(e.c.event_ts), e.c.status_code < 400, scope.countable(e))
        .where(or_(e.c.event_ts >= m.c.retired_at, e.c.event_ts < m.c.released_at))
        .distinct()
        .subquery("singles")
    )
    s = scope.usage(singles).c
    one_by_one = select(s.account_id, s.tier, s.day, s[limit], s.model, literal(1), s.not_told)
    return union_all(wholes, one_by_one).subquery("outside")


def _substitutions(scope: Scope, limit: str) -> Subquery:
    """Successful requests that another model answered than the one asked for, by account, day and both models."""
    u, asked = scope.usage(account_model_day).c, _dates("asked").c
    what = func.concat(u.model_requested, " answered by ", u.model_served).label("what")
    return (
        select(u.account_id, u.tier, u.day, u[limit], what, u.n_ok.label("n"), literal(0).label("not_told"))
        .where(u.n_ok > 0, asked.model == u.model_requested, _is_other(u, asked.family))
        .subquery("substitutions")
    )


def _is_other(u: Any, family: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the served model is none that the requested name, of a model of that family, stands for."""
    requested, served = u.model_requested, u.model_served
    added = func.substr(served, func.length(requested) + 1)
    shape = func.translate(added, DIGITS, ANY)  # -2026-10-01, -0613, @20261001, :v2 are versions; -mini and -4 are not
    version = and_(
        func.strpos(served, requested) == 1,
        func.substr(added, 1, 1).in_(("-", "@", ":")),
        or_(func.substr(shape, 2, 3) == "###", func.substr(shape, 2, 2) == "v#"),
    )
    of_family = and_(requested == family, served.in_(select(models.c.model).where(models.c.family == family)))
    return and_(served != requested, not_(requested.like("%latest")), not_(version), not_(of_family))


def _dates(name: str = "dates") -> Subquery:
    """Each model once with its family and dates, even where the warehouse has it twice: what allows most holds."""
    m = models.c
    retired = case((func.count() == func.count(m.retired_at), func.max(m.retired_at)))
    return (
        select(
            m.model, func.min(m.family).label("family"), func.min(m.released_at).label("released_at"),
            retired.label("retired_at"),
        )
        .group_by(m.model)
        .subquery(name)
    )  # fmt: skip


def _served(u: Any) -> ColumnElement[str]:
    """The model that answered; where it is not recorded, the one that was asked for."""
    served: ColumnElement[str] = func.coalesce(u.model_served, u.model_requested)
    return served
