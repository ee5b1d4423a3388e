"""R14: use from countries in which the service is not offered.

Addresses of hosting providers, VPNs and Tor say little about where a person is; what rests on them alone is medium.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select

from audits.rollups.account_client_day import account_client_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

INDIRECT = ("hosting", "vpn", "tor")


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests, and enough of them, from unsupported or sanctioned countries."""
    u, t = scope.usage(account_client_day), scope.territories()
    held = and_(t.c.country == u.c.ip_country, u.c.slice_start >= t.c.valid_from, u.c.slice_start < t.c.valid_to)
    unsupported = t.c.status.in_(("unsupported", "sanctioned"))
    direct = and_(unsupported, or_(u.c.ip_type.is_(None), u.c.ip_type.not_in(INDIRECT)))
    a = (
        select(
            u.c.account_id, u.c.tier,
            func.sum(u.c.n_ok).label("located"),
            func.coalesce(func.sum(u.c.n_ok).filter(unsupported), 0).label("outside"),
            func.coalesce(func.sum(u.c.n_ok).filter(direct), 0).label("direct"),
            func.count(t.c.country.distinct()).filter(and_(unsupported, u.c.n_ok > 0)).label("countries"),
            func.max(u.c.limit_share_min).label("limit_share_min"),
            func.max(u.c.limit_requests_min).label("limit_requests_min"),
        )
        .select_from(u.outerjoin(t, held))
        .where(u.c.ip_country.is_not(None))
        .group_by(u.c.account_id, u.c.tier)
        .subquery("located")
    ).c  # fmt: skip
    reaches = lambda n: and_(n >= a.limit_requests_min, ratio(n, a.located) >= a.limit_share_min)  # noqa: E731
    return select(
        a.account_id.label("subject_id"),
        a.tier,
        case((reaches(a.direct), "high"), else_="medium").label("severity"),
        a.outside.label("observed_requests"),
        ratio(a.outside, a.located).label("observed_share"),
        a.direct.label("observed_requests_not_via_hosting_or_vpn"),
        a.countries.label("observed_countries"),
        a.limit_share_min,
        a.limit_requests_min,
    ).where(reaches(a.outside))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests from unsupported or sanctioned countries, with country and kind of address."""
    e = usage_events.c
    t = scope.territories()
    return (
        scope.events_of(found.account_ids, e.status_code < 400)
        .add_columns(e.ip_country, e.ip_type, t.c.status.label("territory"))
        .where(t.c.country == e.ip_country, t.c.status.in_(("unsupported", "sanctioned")))
        .where(e.event_ts >= t.c.valid_from, e.event_ts < t.c.valid_to)
    )
