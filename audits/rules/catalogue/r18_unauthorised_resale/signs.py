"""The five signs of resale, each as it is and as it would be if all that is not recorded counted for it.

A source that records end users, sessions or system prompts of anybody records that a request has none; of any other
source nobody knows. Of languages, topics and countries nothing recorded is nothing known.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FromClause,
    Numeric,
    Select,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.rollups.account_client_day import FOR_HIRE, account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_topic_day import account_topic_day
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import ratio, utc_day
from audits.warehouse.dimensions import contracts_in_force, customers_in_force
from audits.warehouse.tables import Instant, usage_events
from audits.warehouse.validity import holds

LIMITS = (
    "signs_min", "no_end_user_share_min", "sessions_a_day_min", "languages_min", "topic_entropy_quantile",
    "system_prompts_min", "foreign_share_min",
)  # fmt: skip
KEY = ("account_id", "customer_id", "tier", *(f"limit_{name}" for name in LIMITS))
"""Whom the rule judges, and by what. Rows carry its number ``party``, by which they group and join faster."""


def judged(scope: Scope, rollup: FromClause) -> Subquery:
    """:meth:`Scope.usage`, a row for each customer, without what its contract permitted."""
    return scope.usage(rollup, by=_accounts(scope))


@computed_once
def _accounts(scope: Scope) -> Select[Any]:
    """Accounts and limits, a row for each customer and each time at which its contract did not permit resale.

    Adds ``party``, the number of the row's :data:`KEY`, and ``peers``, that of its tier and limits.
    """
    held, o = scope.accounts_with_limits(), account_owners.c
    owner = func.coalesce(o.customer_id, held.c.customer_id).label("customer_id")
    owned = (
        select(*(column for column in held.c if column.name != "customer_id"), owner)
        .select_from(held.outerjoin(account_owners, o.account_id == held.c.account_id))
        .subquery("owned")
    )
    a, forbidden = owned.c, _forbidden(scope)
    f = forbidden.c
    start, end = func.greatest(a.valid_from, f.valid_from), func.least(a.valid_to, f.valid_to)
    return (
        select(
            *(column for column in a if column.name not in ("valid_from", "valid_to")),
            start.label("valid_from"), end.label("valid_to"),
            func.dense_rank().over(order_by=[a[name] for name in KEY]).label("party"),
            func.dense_rank().over(order_by=[a[name] for name in KEY[2:]]).label("peers"),
        )
        .select_from(owned.outerjoin(forbidden, f.customer_id == a.customer_id))
        .where(start < end)
    )  # fmt: skip


def _forbidden(scope: Scope) -> Subquery:
    """When resale was not permitted to customers to whom it was permitted at another time; NULL: without an end."""
    c = _contracts(scope).c
    before = func.lag(c.valid_to).over(partition_by=c.customer_id, order_by=c.valid_from)
    until = select(c.customer_id, before.label("valid_from"), c.valid_from.label("valid_to"))
    after = select(c.customer_id, func.max(c.valid_to), cast(null(), Instant)).group_by(c.customer_id)
    return union_all(until.where(c.resale_permitted), after.where(c.resale_permitted)).subquery("forbidden")


@computed_once
def _contracts(scope: Scope) -> Select[Any]:  # noqa: ARG001 - a function of the scope, whose evaluation keeps it
    return select(contracts_in_force())


@computed_once
def signs(scope: Scope) -> Select[Any]:
    """Each account, customer and set of limits with its five signs, their number (``signs``), and the ``open`` ones.

    ``n`` requests were made from ``first_day`` to ``last_day``; the figures behind the signs stand beside them.
    """
    volume = _volume(scope)
    parts = (_sessions(scope), _prompts(scope), _languages(scope), _places(scope), _clauses(scope))
    parties = _parties(scope)
    joined: Any = parties.join(volume, volume.c.party == parties.c.party)
    for part in parts:
        joined = joined.outerjoin(part, part.c.party == volume.c.party)
    p, v, (sessions, prompts, languages, places, clauses) = parties.c, volume.c, (part.c for part in parts)
    told = {
        "no_end_users": (sessions.many, sessions.may_be_many),
        "languages": (
            and_(languages.n >= p.limit_languages_min, languages.rank >= p.limit_topic_entropy_quantile),
            and_(
                languages.n + languages.n_unknown >= p.limit_languages_min,
                languages.rank_at_most >= p.limit_topic_entropy_quantile,
            ),
        ),
        "system_prompts": (
            prompts.n >= p.limit_system_prompts_min,
            prompts.n + prompts.n_unknown >= p.limit_system_prompts_min,
        ),
        "foreign": (
            ratio(places.abroad, places.known) >= p.limit_foreign_share_min,
            ratio(places.abroad + places.unknown, places.known + places.unknown) >= p.limit_foreign_share_min,
        ),
        "no_clause": (clauses.refused > 0, clauses.unknown > 0),
    }
    there = {name: func.coalesce(certain, false()) for name, (certain, _) in told.items()}
    maybe = [and_(~there[name], func.coalesce(possible, false())) for name, (_, possible) in told.items()]
    return (
        select(
            *(p[name] for name in KEY), v.n, v.first_day, v.last_day,
            *(sign.label(f"has_{name}") for name, sign in there.items()),
            _number(there.values()).label("signs"), _number(maybe).label("open"),
            sessions.a_day.label("sessions_a_day"), languages.n.label("languages"),
            prompts.n.label("system_prompts"), ratio(places.abroad, places.known).label("foreign_share"),
        )
        .select_from(joined)
    )  # fmt: skip


def _parties(scope: Scope) -> Subquery:
    """``party`` and what it stands for."""
    a = _accounts(scope).c
    return select(a.party, *(a[name] for name in KEY)).distinct().subquery("parties")


def _number(signs: Any) -> ColumnElement[int]:
    number: ColumnElement[int] = sum((case((sign, 1), else_=0) for sign in signs), literal(0))
    return number


def _volume(scope: Scope) -> CTE:
    u = judged(scope, account_day).c
    days = (func.min(u.day).label("first_day"), func.max(u.day).label("last_day"))
    rows = select(u.party, func.sum(u.n_requests).label("n"), *days).where(u.grain == "event")
    return rows.group_by(u.party).cte("volume")


def _sources(scope: Scope) -> Subquery:
    """Of each source whether it records end ``users``, ``sessions`` and system ``prompts`` of anybody."""
    d = account_day.c
    columns = {"users": "end_user_hash", "sessions": "session_id", "prompts": "system_prompt_hash"}
    return (
        select(d.source_system, *((func.sum(d[f"known_{of}"]) > 0).label(name) for name, of in columns.items()))
        .where(d.day.between(scope.period.first_day, scope.period.last_day), d.grain == "event")
        .group_by(d.source_system)
        .subquery("sources")
    )


def _clauses(scope: Scope) -> Subquery:
    """Rows of use while no contract permitted resale (``refused``), and while nobody knows whether one did."""
    rows, contracts = judged(scope, account_day), _contracts(scope)
    u, c = rows.c, contracts.c
    then = and_(c.customer_id == u.customer_id, holds(c, u.slice_start))
    unknown = or_(
        literal("contracts" in scope.unrecorded), and_(c.customer_id.is_not(None), c.resale_permitted.is_(None))
    )
    return (
        select(u.party, func.count().filter(~unknown).label("refused"), func.count().filter(unknown).label("unknown"))
        .select_from(rows.outerjoin(contracts, then))
        .group_by(u.party)
        .subquery("clauses")
    )


def _sessions(scope: Scope) -> Subquery:
    """Most sessions ``a_day`` of the days without end users; whether they are ``many``, or ``may_be_many``.

    Sessions are read from single requests, of those days only whose requests could make enough of them.
    """
    days, e = _nameless_days(scope), usage_events.c
    d = days.c
    wanted = (
        select(d.account_id, d.day).where(d.may_be_nameless, d.n >= d.limit_sessions_a_day_min).distinct()
    ).subquery("wanted").c  # fmt: skip
    requests = (
        select(e.account_id, e.session_id, wanted.day, e.event_ts.label("slice_start"))
        .where(wanted.account_id == e.account_id, wanted.day == utc_day(e.event_ts), e.session_id.is_not(None))
        .where(scope.in_period(e.event_ts), scope.countable(usage_events))
        .subquery("requests")
    )
    r = judged(scope, requests).c
    counted = (
        select(r.party, r.day, func.count(r.session_id.distinct()).label("n"))
        .group_by(r.party, r.day)
        .subquery("sessions_of_days")
    )
    same = and_(counted.c.day == d.day, counted.c.party == d.party)
    n, least = func.coalesce(counted.c.n, 0), d.limit_sessions_a_day_min
    return (
        select(
            d.party,
            func.max(n).filter(d.nameless).label("a_day"),
            func.bool_or(and_(d.nameless, n >= least)).label("many"),
            func.bool_or(and_(d.may_be_nameless, n + d.without_session >= least)).label("may_be_many"),
        )
        .select_from(days.outerjoin(counted, same))
        .group_by(d.party)
        .subquery("sessions")
    )


def _nameless_days(scope: Scope) -> CTE:
    """Days with whether enough of their requests carry no end-user id, for certain (``nameless``) or as far as known.

    ``without_session`` counts requests of which nobody knows to which session they belong.
    """
    u, sources = judged(scope, account_day).c, _sources(scope).c
    n, named = func.sum(u.n_requests), func.coalesce(func.sum(u.known_end_user_hash), 0)
    unknown = func.coalesce(func.sum(u.n_requests).filter(~sources.users), 0)
    without = func.coalesce(func.sum(u.n_requests - u.known_session_id).filter(~sources.sessions), 0)
    least = func.min(u.limit_no_end_user_share_min)
    return (
        select(
            u.party, u.account_id, u.day, n.label("n"), without.label("without_session"),
            func.min(u.limit_sessions_a_day_min).label("limit_sessions_a_day_min"),
            (ratio(n - named - unknown, n) >= least).label("nameless"),
            (ratio(n - named, n) >= least).label("may_be_nameless"),
        )
        .where(u.grain == "event", sources.source_system == u.source_system)
        .group_by(u.party, u.account_id, u.day)
        .cte("nameless_days")
    )  # fmt: skip


def _prompts(scope: Scope) -> Subquery:
    """Different system prompts, and requests of sources that record none (``n_unknown``)."""
    p, d, sources = judged(scope, account_prompt_day).c, judged(scope, account_day).c, _sources(scope).c
    different = func.count(p.system_prompt_hash.distinct()).label("n")
    prompts = select(p.party, different).group_by(p.party).subquery("different")
    unknown = func.coalesce(func.sum(d.n_requests).filter(~sources.prompts), 0).label("n_unknown")
    untold = (
        select(d.party, unknown)
        .where(d.grain == "event", sources.source_system == d.source_system)
        .group_by(d.party)
        .subquery("untold")
    )
    same = prompts.c.party == untold.c.party
    rows = select(untold.c.party, func.coalesce(prompts.c.n, 0).label("n"), untold.c.n_unknown)
    return rows.select_from(untold.outerjoin(prompts, same)).subquery("prompts")


def _languages(scope: Scope) -> Subquery:
    """Languages, requests without one, and the share of the tier's accounts with less even topics (``rank``).

    ``rank_at_most``: if every request without a topic had one of its own. Evenness is rounded, so that accounts with
    the same topics are equal on every engine.
    """
    u = judged(scope, account_topic_day).c
    languages = (
        select(
            u.party, func.count(u.lang.distinct()).label("n"),
            func.coalesce(func.sum(u.n_requests).filter(u.lang.is_(None)), 0).label("n_unknown"),
        )
        .group_by(u.party)
        .subquery("spoken")
    )  # fmt: skip
    t = (
        select(u.party, u.peers, u.topic_id, cast(func.sum(u.n_requests), Float(53)).label("n"))
        .group_by(u.party, u.peers, u.topic_id)
        .subquery("topics")
    ).c
    known = t.topic_id.is_not(None)
    whole, rest = func.sum(t.n).filter(known), func.sum(t.n)
    spread = func.coalesce(func.sum(t.n * func.ln(t.n)).filter(known), 0.0)
    even = (
        select(
            t.party, t.peers, cast(func.ln(whole) - spread / whole, Numeric(18, 9)).label("h"),
            cast(func.ln(rest) - spread / rest, Numeric(18, 9)).label("h_at_most"),
        )
        .group_by(t.party, t.peers)
        .cte("evenness")
    )  # fmt: skip
    ranks = _ranks(even)
    same = ranks.c.party == languages.c.party
    rows = select(languages.c.party, languages.c.n, languages.c.n_unknown, ranks.c.rank, ranks.c.rank_at_most)
    return rows.select_from(languages.outerjoin(ranks, same)).subquery("languages")


def _ranks(even: CTE) -> Subquery:
    """The share of the other accounts of a tier whose topics are less even than an account's are, or may be.

    At most, an account of which no topic is known is less even than any other.
    """
    e = even.c
    asked = {"rank": e.h, "rank_at_most": e.h_at_most}
    probes = [
        select(e.party, e.peers, e.h, value.label("value"), literal(name).label("asked"), literal(0).label("known"),
               literal(0).label("unknown"))
        for name, value in asked.items()
    ]  # fmt: skip
    known = case((e.h.is_not(None), 1), else_=0)
    peers = select(e.party, e.peers, e.h, func.coalesce(e.h, 0), literal(""), known, 1 - known)
    v = union_all(*probes, peers).subquery("evenness_of_peers").c
    # Of equal values the peers come last, so that those before are below; nobody is a peer of itself.
    below = func.sum(v.known).over(partition_by=v.peers, order_by=(v.value, v.known + v.unknown), rows=(None, 0))
    all_known, all_unknown = (func.sum(one).over(partition_by=v.peers) for one in (v.known, v.unknown))
    p = select(
        v.party, v.asked,
        (below - case((v.h < v.value, 1), else_=0)).label("below"),
        (all_known - case((v.h.is_not(None), 1), else_=0)).label("others"),
        case((v.asked == "rank_at_most", all_unknown - case((v.h.is_(None), 1), else_=0)), else_=0).label("more"),
    ).subquery("placed").c  # fmt: skip
    rank = func.coalesce(ratio(p.below + p.more, p.others + p.more), 0.0)
    ranks = (func.max(rank).filter(p.asked == name).label(name) for name in asked)
    return select(p.party, *ranks).where(p.asked != "").group_by(p.party).subquery("ranks")


def _places(scope: Scope) -> Subquery:
    """Requests from people's addresses of a ``known`` country, those of them from ``abroad``, and ``unknown`` ones.

    Abroad is elsewhere than the country that the customer had at the time.
    """
    rows, customers = judged(scope, account_client_day), select(customers_in_force()).cte("customers_of_resellers")
    u, c = rows.c, customers.c
    told = and_(c.country.is_not(None), u.ip_country.is_not(None))

    def requests(*which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(u.n_requests).filter(and_(*which)), 0)

    return (
        select(
            u.party, requests(told).label("known"), requests(told, u.ip_country != c.country).label("abroad"),
            requests(~told).label("unknown"),
        )
        .select_from(rows.outerjoin(customers, and_(c.customer_id == u.customer_id, holds(c, u.slice_start))))
        .where(or_(u.ip_type.is_(None), u.ip_type.not_in(FOR_HIRE)))
        .group_by(u.party)
        .subquery("places")
    )  # fmt: skip
