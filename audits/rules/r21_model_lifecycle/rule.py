"""R21: use of a model before its release or after its retirement, and models that were not the ones asked for.

What a name stands for is the provider's own promise: a model in the table of models promises itself and its dated
versions; the name of a family any model of the family; ``...-latest``, and a name that is no model at all, nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, not_, or_, select, union_all

from audits.quality.quarantine import is_impossible
from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.listed import listed
from audits.rules.scope import Scope
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import models, usage_events

LIMITS = ("limit_retired_requests_min", "limit_substituted_requests_min")
OUTSIDE, SUBSTITUTED = "outside dates", "substituted"
DIGITS, ANY = "0123456789", "##########"


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough requests outside of a model's dates, or answered by another model than was asked for.

    Where a limit changes inside the period, each stretch is held against its own; the one with most requests is shown.
    """
    found = []
    for kind, limit, used in zip((OUTSIDE, SUBSTITUTED), LIMITS, (_outside(scope), _substitutions(scope)), strict=True):
        u = used.c
        stretch = (u.account_id, u.tier, *(u[name] for name in LIMITS))
        requests = func.sum(u.n)
        found.append(
            select(
                *stretch, literal(kind).label("kind"), requests.label("requests"), listed(u.what).label("models"),
                func.row_number()
                .over(partition_by=(u.account_id, u.tier), order_by=(requests.desc(), func.min(u.day)))
                .label("place"),
            )
            .group_by(*stretch)
            .having(requests >= u[limit])
        )  # fmt: skip
    f = union_all(*found).subquery("found").c
    return select(
        f.account_id.label("subject_id"),
        f.tier,
        f.kind.label("discriminator"),
        f.requests.label("observed_requests"),
        f.models.label("observed_models"),
        *(f[name] for name in LIMITS),
    ).where(f.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of whose successful requests too few are known to have been answered by a model with dates."""
    u = scope.usage(account_model_day).c
    enough = scope.book.settings(scope.period.last_day).evaluable_share * func.sum(u.n_ok)
    served = func.coalesce(func.sum(u.n_ok).filter(u.model_served.is_not(None)), 0)
    dated = func.coalesce(func.sum(u.n_ok).filter(_served(u).in_(select(models.c.model))), 0)
    what = case((served < enough, "model_served"), else_="the dates of the models")
    return (
        select(u.account_id, func.concat("not recorded: ", what).label("reason"))
        .group_by(u.account_id)
        .having(or_(served < enough, dated < enough))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests outside of the dates of the model that answered, or answered by another model."""
    e, m, asked = usage_events.c, _dates().c, _dates("asked").c
    requests = scope.events_of(found.account_ids, e.status_code < 400, scope.in_tier(found), scope.under_limits(found))
    if found.discriminator == OUTSIDE:
        late_or_early = or_(e.event_ts >= m.retired_at, e.event_ts < m.released_at)
        return requests.add_columns(m.released_at, m.retired_at).where(m.model == _served(e), late_or_early)
    return requests.where(asked.model == e.model_requested, _is_other(e, asked.family))


def _outside(scope: Scope) -> Subquery:
    """Successful requests outside of the dates of the model that answered, by account, day and model.

    Of a day that a release or retirement cuts, the requests are read one by one; others are the rollup's.
    """
    u, m = scope.usage(account_model_day), _dates()
    on_record = u.join(m, m.c.model == _served(u.c))
    retired_on, released_on = utc_day(m.c.retired_at), utc_day(m.c.released_at)
    whole = or_(u.c.day > retired_on, u.c.day < released_on)
    late = u.c.last_ok_ts >= m.c.retired_at
    early = u.c.first_ok_ts < m.c.released_at  # adequacy: equivalent, because each request is held against it again
    cut = or_(and_(u.c.day == retired_on, late), and_(u.c.day == released_on, early))
    limits = tuple(u.c[name] for name in LIMITS)
    wholes = (
        select(u.c.account_id, u.c.tier, u.c.day, *limits, m.c.model.label("what"), u.c.n_ok.label("n"))
        .select_from(on_record)
        .where(u.c.n_ok > 0, whole)
    )
    e = usage_events
    days = (
        select(u.c.account_id, u.c.day, m.c.model).select_from(on_record).where(cut).distinct().subquery("cut_days").c
    )
    same = and_(days.account_id == e.c.account_id, days.day == utc_day(e.c.event_ts), days.model == _served(e.c))
    singles = (
        select(e.c.event_id, e.c.event_ts.label("slice_start"), e.c.account_id, days.day, m.c.model)
        .where(same, m.c.model == days.model, scope.in_period(e.c.event_ts), e.c.status_code < 400, ~is_impossible(e))
        .where(or_(e.c.event_ts >= m.c.retired_at, e.c.event_ts < m.c.released_at))
        .distinct()
        .subquery("singles")
    )
    s = scope.usage(singles).c
    one_by_one = select(s.account_id, s.tier, s.day, *(s[name] for name in LIMITS), s.model, literal(1))
    return union_all(wholes, one_by_one).subquery("outside")


def _substitutions(scope: Scope) -> Subquery:
    """Successful requests that another model answered than the one asked for, by account, day and both models."""
    u, asked = scope.usage(account_model_day).c, _dates("asked").c
    what = func.concat(u.model_requested, " answered by ", u.model_served).label("what")
    return (
        select(u.account_id, u.tier, u.day, *(u[name] for name in LIMITS), what, u.n_ok.label("n"))
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
