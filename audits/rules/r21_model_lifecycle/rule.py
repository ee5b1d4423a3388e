"""R21: use of a model before its release or after its retirement, and models that were not the ones asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, not_, or_, select, union_all

from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import models, usage_events

LIMITS = ("retired_requests_min", "substituted_requests_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough requests outside of a model's dates, or served by another model than was requested."""
    u = scope.usage(account_model_day)
    m = models.c
    joined = u.join(models, m.model == u.c.model_served)
    outside = or_(u.c.last_ok_ts >= m.retired_at, u.c.first_ok_ts < m.released_at)
    kinds = [
        ("outside dates", outside, u.c.limit_retired_requests_min),
        ("substituted", not_(_alias(u.c.model_requested, u.c.model_served)), u.c.limit_substituted_requests_min),
    ]
    cases = union_all(
        *(
            select(
                u.c.account_id.label("subject_id"),
                u.c.tier,
                literal(kind).label("discriminator"),
                literal(kind).label("observed_kind"),
                func.sum(u.c.n_ok).label("observed_requests"),
                func.min(u.c.model_served).label("observed_model"),
                func.max(limit).label("limit_requests_min"),
            )
            .select_from(joined)
            .where(u.c.n_ok > 0, condition)
            .group_by(u.c.account_id, u.c.tier)
            .having(func.sum(u.c.n_ok) >= func.max(limit))
            for kind, condition, limit in kinds
        )
    )
    return select(cases.subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that were served outside of the model's dates, or by another model."""
    e, m = usage_events.c, models.c
    if found.discriminator == "outside dates":
        condition = or_(e.event_ts >= m.retired_at, e.event_ts < m.released_at)
    else:
        condition = not_(_alias(e.model_requested, e.model_served))
    return (
        scope.events_of(found.account_ids, e.status_code < 400)
        .add_columns(e.model_served, m.released_at, m.retired_at)
        .where(and_(m.model == e.model_served, condition))
    )


def _alias(requested: ColumnElement[str], served: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the served model is the requested one, or a dated version of the name that was requested."""
    return or_(served == requested, func.strpos(served, func.concat(requested, "-")) == 1)
