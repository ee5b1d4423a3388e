"""R14: use from countries in which the service is not offered.

Addresses of hosting providers, VPNs and Tor say little about where a person is, and of what kind an address is may not
be recorded: a finding is high only where addresses of people and offices reach the limits by themselves.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select

from audits.rollups.account_client_day import account_client_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.listed import listed
from audits.rules.engine.scope import Scope
from audits.rules.engine.unread import unread
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events
from audits.warehouse.vocabulary import word

DIRECT = ("residential", "mobile", "corporate")
NOT_OFFERED = ("unsupported", "sanctioned")
STRANGE = "the status of a territory is none of supported, unsupported and sanctioned"


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests, and enough of them, from countries without the service.

    Where a limit changes inside the period, each stretch is held against its own; the worst one is reported.
    """
    s = _stretches(scope).c
    severity = case((_reaches(s, s.direct), "high"), else_="medium")
    worst = func.row_number().over(
        partition_by=(s.account_id, s.tier), order_by=(severity, s.outside.desc(), s.limit_share_min)
    )
    found = select(*s, severity.label("severity"), worst.label("place")).where(_over(s)).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.severity,
        found.outside.label("observed_requests"),
        ratio(found.outside, found.located).label("observed_share"),
        found.direct.label("observed_direct_requests"),
        func.nullif(found.untyped, 0).label("observed_untyped_requests"),
        found.countries.label("observed_countries"),
        found.limit_share_min,
        found.limit_requests_min,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts that would reach the limits if their requests without a country came from where nothing is offered, or
    if that were said of countries whose status is none of the words agreed on.
    """
    figures = _stretches(scope)
    s: Any = figures.c
    if_closed = _reaches(s, s.outside + s.missing + s.strange, s.missing)
    strange = select(s.account_id, s.tier, literal(STRANGE).label("reason")).where(if_closed)
    return any_of(undecided(figures, _over, "not recorded: ip_country"), strange)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests with a known country, with its status then and the kind of address."""
    e, t = usage_events.c, scope.territories().c
    held = and_(t.country == word(e.ip_country), e.event_ts >= t.valid_from, e.event_ts < t.valid_to)
    status = select(t.status).where(held).scalar_subquery().label("territory")
    located = (e.status_code < 400, word(e.ip_country).is_not(None), scope.in_tier(found), scope.under_limits(found))
    return scope.events_of(found.account_ids, *located).add_columns(e.ip_country, e.ip_type, status)


def _over(s: Any, more: Any = 0) -> ColumnElement[bool]:
    return _reaches(s, s.outside + more, more)


def _reaches(s: Any, n: ColumnElement[Any], more: Any = 0) -> ColumnElement[bool]:
    """Whether so many requests are enough, by number and by share of the located ones, those unread, and ``more``."""
    return and_(n >= s.limit_requests_min, ratio(n, s.located + s.unread + more) >= s.limit_share_min)


@computed_once
def _stretches(scope: Scope) -> Select[Any]:
    """Successful requests by account, tier and stretch under the same limits.

    ``located`` have a country and ``missing`` have none, some of them ``unread``; ``outside`` came from where the
    service is not offered, of which ``direct`` from addresses of people and offices, and ``untyped`` from those whose
    kind is not recorded; ``strange`` from where nobody knows whether it is offered.
    """
    u, t = scope.usage(account_client_day), scope.territories()
    held = and_(t.c.country == u.c.ip_country, u.c.slice_start >= t.c.valid_from, u.c.slice_start < t.c.valid_to)
    outside = t.c.status.in_(NOT_OFFERED)
    stretch = (u.c.account_id, u.c.tier, u.c.limit_share_min, u.c.limit_requests_min)

    def requests(which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(u.c.n_ok).filter(which), 0)

    return (
        select(
            *stretch,
            requests(u.c.ip_country.is_not(None)).label("located"),
            requests(u.c.ip_country.is_(None)).label("missing"),
            unread(u.c).label("unread"),
            requests(outside).label("outside"),
            requests(and_(t.c.country.is_not(None), t.c.status.is_(None))).label("strange"),
            requests(and_(outside, u.c.ip_type.in_(DIRECT))).label("direct"),
            requests(and_(outside, u.c.ip_type.is_(None))).label("untyped"),
            listed(u.c.ip_country).filter(outside).label("countries"),
        )
        .select_from(u.outerjoin(t, held))
        .where(u.c.n_ok > 0)
        .group_by(*stretch)
    )
