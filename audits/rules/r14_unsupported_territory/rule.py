"""R14: use from countries in which the service is not offered.

Addresses of hosting providers, VPNs and Tor say little about where a person is, and of what kind an address is may not
be recorded: a finding is high only where addresses of people and offices reach the limits by themselves.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select

from audits.rollups.account_client_day import account_client_day
from audits.rules.base import Found
from audits.rules.listed import listed
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

DIRECT = ("residential", "mobile", "corporate")
NOT_OFFERED = ("unsupported", "sanctioned")


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests, and enough of them, from countries without the service.

    Where a limit changes inside the period, each stretch is held against its own; the worst one is reported.
    """
    u, t = scope.usage(account_client_day), scope.territories()
    held = and_(t.c.country == u.c.ip_country, u.c.slice_start >= t.c.valid_from, u.c.slice_start < t.c.valid_to)
    outside = t.c.status.in_(NOT_OFFERED)
    direct = and_(outside, u.c.ip_type.in_(DIRECT))
    stretch = (u.c.account_id, u.c.tier, u.c.limit_share_min, u.c.limit_requests_min)
    s = (
        select(
            *stretch,
            func.sum(u.c.n_ok).label("located"),
            func.sum(u.c.n_ok).filter(outside).label("outside"),
            func.coalesce(func.sum(u.c.n_ok).filter(direct), 0).label("direct"),
            listed(u.c.ip_country).filter(outside).label("countries"),
        )
        .select_from(u.outerjoin(t, held))
        .where(u.c.ip_country.is_not(None), u.c.n_ok > 0)
        .group_by(*stretch)
        .subquery("stretches")
    ).c

    def reaches(n: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(n >= s.limit_requests_min, ratio(n, s.located) >= s.limit_share_min)

    severity = case((reaches(s.direct), "high"), else_="medium")
    worst = func.row_number().over(
        partition_by=(s.account_id, s.tier), order_by=(severity, s.outside.desc(), s.limit_share_min)
    )
    found = select(*s, severity.label("severity"), worst.label("place")).where(reaches(s.outside)).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.severity,
        found.outside.label("observed_requests"),
        ratio(found.outside, found.located).label("observed_share"),
        found.direct.label("observed_direct_requests"),
        found.countries.label("observed_countries"),
        found.limit_share_min,
        found.limit_requests_min,
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests from countries without the service, with country and kind of address."""
    e, t = usage_events.c, scope.territories().c
    return (
        scope.events_of(found.account_ids, e.status_code < 400, scope.in_tier(found), scope.under_limits(found))
        .add_columns(e.ip_country, e.ip_type, t.status.label("territory"))
        .where(t.country == e.ip_country, t.status.in_(NOT_OFFERED))
        .where(e.event_ts >= t.valid_from, e.event_ts < t.valid_to)
    )
