"""R13: a linked group that moves to a new frontier model within hours of its release.

Only requests that name the new model count: an alias that moves everybody to it is the provider's doing. Requests of
the day of the release and of the first hours are read one by one, of candidate groups only; of the days before, the
rollup says enough. A release is judged in the period in which its first hours end, by the limits of its own day, so
that each is judged once and all of its requests are there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FrameClause,
    FrameClauseType,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from audits.periods import utc_midnight
from audits.rollups.account_model_day import account_model_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import group_levels, of_level
from audits.rules.engine.population import audited_groups
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import day_number, least_text, ratio, seconds_between, utc_day
from audits.warehouse.tables import models, usage_events

LIMITS = ("accounts_min", "before_share_min", "hours_max", "share_min", "spread_hours_max")
LEVEL = ("group_id", "tier", "level", "level_rank")
HOUR = 3600.0
DAYS_BEFORE = 28  # the baseline's, counted from the release


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough members whose first use lies close together, and enough of the traffic moved.

    Of several levels (see :mod:`audits.rules.engine.levels`) the highest one is reported.
    """
    m = _moves(scope).c
    highest = func.row_number().over(partition_by=(m.group_id, m.model), order_by=m.level_rank.desc())
    found = select(*m, highest.label("place")).where(_moved(m)).subquery("found").c
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        found.model.label("discriminator"),
        found.model.label("observed_model"),
        found.predecessor.label("observed_predecessor"),
        found.released_at.label("observed_released_at"),
        found.level.label("observed_level"),
        found.accounts.label("observed_accounts"),
        ratio(found.new, found.every).label("observed_share"),
        found.every.label("observed_requests"),
        ratio(found.old, found.every_before).label("observed_share_of_predecessor_before"),
        found.every_before.label("observed_requests_before"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Groups that moved, and came from the predecessor if what is not recorded says so.

    Any request before may have been served by the predecessor where the served model is not recorded; and where the
    predecessor is not, it may be whichever other model was used most.
    """
    m = _moves(scope).c
    figures = select(
        literal("group").label("subject_type"), m.group_id.label("subject_id"),
        *(column for column in m if column.name != "group_id"),
    ).subquery("figures")  # fmt: skip
    unnamed = "not recorded: predecessor of a new model"
    return undecided(
        figures, _moved, lambda one: case((one.predecessor.is_(None), unnamed), else_="not recorded: model_served")
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The members' successful requests in the hours after the release and on the days before, for whatever model."""
    e = usage_events.c
    released = datetime.fromisoformat(str(found.observed["released_at"]))
    since = utc_midnight(released.astimezone(UTC).date() - timedelta(days=DAYS_BEFORE))
    until = released + timedelta(hours=float(found.limits["hours_max"]))
    after = and_(e.event_ts >= literal(released), e.event_ts <= literal(until))
    before = and_(e.event_ts >= literal(since), e.event_ts < literal(released))
    return scope.events_of(
        found.account_ids, e.status_code < 400, or_(before, after), of_level(scope, found), since=scope.baseline_from
    ).add_columns(case((before, "before"), else_="after").label("release"))


def _moved(m: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether a group moved, if so many more of its requests before went to the predecessor."""
    return and_(
        m.accounts >= m.limit_accounts_min,
        ratio(m.new, m.every) >= m.limit_share_min,
        ratio(m.old + more, m.every_before) >= m.limit_before_share_min,
    )


@computed_once
def _moves(scope: Scope) -> Select[Any]:
    """What each level of a group did around each release: the requests and accounts that count.

    ``new`` of ``every`` request in the first hours name the new model; ``accounts`` began with it close to each other;
    ``old`` of ``every_before`` went to the predecessor, and ``missing`` more may have.
    """
    releases = _releases(scope)
    requests = _requests(scope, releases)
    after, before = _after(scope, requests), _before(_days_before(scope, releases, requests))
    a, b, r = after.c, before.c, releases.c
    return (
        select(
            *a, r.predecessor, r.released_at, b.old, b.every_before,
            case((r.predecessor.is_(None), b.most), else_=b.unknown).label("missing"),
            *(r[f"limit_{name}"] for name in LIMITS),
        )
        .where(b.group_id == a.group_id, b.level == a.level, b.model == a.model)
        .where(r.level == a.level, r.model == a.model)
    )  # fmt: skip


def _releases(scope: Scope) -> CTE:
    """Frontier models whose first hours end in the period, each once, by ``level`` with the limits of the day."""
    m, limits = models.c, scope.limit_rows().c
    once = (
        select(
            m.model,
            least_text(m.predecessor).label("predecessor"),
            func.min(m.released_at).label("released_at"),
        )
        .where(m.frontier)
        .group_by(m.model)
        .subquery("once")
    ).c
    day, hours = utc_day(once.released_at), limits.limit_hours_max * HOUR
    return (
        select(*once, day.label("release_day"), limits.tier.label("level"), *(limits[f"limit_{n}"] for n in LIMITS))
        .where(day >= limits.from_day, day < limits.to_day)
        .where(hours <= seconds_between(once.released_at, literal(scope.period.end)))
        .where(hours > seconds_between(once.released_at, literal(scope.period.start)))
        .cte("releases")
    )


def _requests(scope: Scope, releases: CTE) -> CTE:
    """The successful requests of the groups that may have moved, from the day of each release to its last hour.

    ``since`` is in seconds from the release, and negative before it.
    """
    d, r, g, e = group_levels(scope, account_model_day, baseline=True).c, releases.c, audited_groups.c, usage_events.c
    in_days = and_(d.day >= r.release_day, seconds_between(r.released_at, d.first_ok_ts) <= r.limit_hours_max * HOUR)
    groups = (
        select(d.group_id)
        .where(d.level == r.level, d.model_requested == r.model, in_days)
        .group_by(d.group_id, d.level, r.model)
        .having(func.count(d.account_id.distinct()) >= func.max(r.limit_accounts_min))
    )
    members = select(g.account_id).where(g.group_id.in_(groups))
    since = seconds_between(r.released_at, e.event_ts)
    around = exists(select(r.model).where(utc_day(e.event_ts) >= r.release_day, since <= r.limit_hours_max * HOUR))
    single = scope.requests(members, e.event_ts, e.model_requested, e.model_served, where=[e.status_code < 400, around])
    s = group_levels(scope, single, baseline=True).c
    since = seconds_between(r.released_at, s.event_ts)
    return (
        select(
            *(s[name] for name in LEVEL), s.account_id, s.model_requested, s.model_served, r.model, r.predecessor,
            since.label("since"), r.limit_spread_hours_max,
        )
        .where(s.level == r.level, s.day >= r.release_day, since <= r.limit_hours_max * HOUR)
        .cte("around_releases")
    )  # fmt: skip


def _after(scope: Scope, requests: CTE) -> Subquery:
    """The requests in the hours after a release, for the new model and all; the members that began close together."""
    r = requests.c
    key = (*(r[name] for name in LEVEL), r.model)
    named = r.model_requested == r.model
    counts = (
        select(*key, func.count().filter(named).label("new"), func.count().label("every"))
        .where(r.since >= 0)
        .group_by(*key)
        .subquery("counts")
    ).c
    first = (
        select(r.group_id, r.level, r.model, r.account_id, func.min(r.since).label("since"), r.limit_spread_hours_max)
        .where(r.since >= 0, named)
        .group_by(r.group_id, r.level, r.model, r.account_id, r.limit_spread_hours_max)
        .subquery("first_uses")
    ).c
    near = select(*first, _close(scope, first).label("close")).subquery("near").c
    most = (
        select(near.group_id, near.level, near.model, func.max(near.close).label("accounts"))
        .group_by(near.group_id, near.level, near.model)
        .subquery("most")
    ).c
    same = and_(most.group_id == counts.group_id, most.level == counts.level, most.model == counts.model)
    return select(*counts, most.accounts).where(same).subquery("after")


def _close(scope: Scope, first: Any) -> ColumnElement[Any]:
    """How many members began within so many hours from this one on; window frames take the hours as literals only."""
    counts, whose = [], (first.group_id, first.level, first.model)
    for spread in sorted({float(row.values["spread_hours_max"]) for row in scope.limits}):  # type: ignore[arg-type]
        seconds = literal(spread * HOUR, Float(53))
        frame = FrameClause(None, seconds, FrameClauseType.CURRENT, FrameClauseType.FOLLOWING)
        within = func.count().over(partition_by=whose, order_by=first.since, range_=frame)
        counts.append((first.limit_spread_hours_max == spread, within))
    return case(*counts) if counts else literal(0)


def _days_before(scope: Scope, releases: CTE, requests: CTE) -> CTE:
    """The requests (``n``) of levels on the days before a release and before it on its own, by models."""
    d, r, s = group_levels(scope, account_model_day, baseline=True).c, releases.c, requests.c
    back = day_number(r.release_day) - day_number(d.day)
    whole_days = select(
        d.group_id, d.level, r.model, r.predecessor, d.model_requested, d.model_served, d.n_ok.label("n")
    ).where(d.level == r.level, back >= 1, back <= DAYS_BEFORE, d.group_id.in_(select(s.group_id)))
    own_day = select(
        s.group_id, s.level, s.model, s.predecessor, s.model_requested, s.model_served, literal(1)
    ).where(s.since < 0)  # fmt: skip
    return union_all(whole_days, own_day).cte("before_releases")


def _before(rows: CTE) -> Subquery:
    """The requests before a release: all, those on the predecessor by whatever name, and those that may have been.

    ``unknown`` ones may have been served by it; ``most`` is what the most used other model can have come to.
    """
    r = rows.c
    key = (r.group_id, r.level, r.model)
    on_predecessor = func.coalesce(or_(r.model_requested == r.predecessor, r.model_served == r.predecessor), False)
    unserved = r.model_served.is_(None)

    def requests(*which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(r.n).filter(and_(*which)), 0)

    counts = (
        select(
            *key, requests(on_predecessor).label("old"), requests(unserved, ~on_predecessor).label("unknown"),
            requests(unserved).label("unserved"), func.sum(r.n).label("every_before"),
        )
        .group_by(*key)
        .subquery("counts_before")
    )  # fmt: skip
    known = case((unserved, 0), else_=r.n)
    names = union_all(
        select(*key, r.model_requested.label("name"), known.label("n")),
        select(*key, r.model_served, r.n).where(r.model_served != r.model_requested),
    ).subquery("names").c  # fmt: skip
    by_name = (
        select(names.group_id, names.level, names.model, names.name, func.sum(names.n).label("n"))
        .where(names.name != names.model)
        .group_by(names.group_id, names.level, names.model, names.name)
        .subquery("by_name")
    ).c
    top = (
        select(by_name.group_id, by_name.level, by_name.model, func.max(by_name.n).label("n"))
        .group_by(by_name.group_id, by_name.level, by_name.model)
        .subquery("top")
    )
    c, t = counts.c, top.c
    same = and_(t.group_id == c.group_id, t.level == c.level, t.model == c.model)
    most = func.coalesce(t.n, 0) + c.unserved
    return select(counts, most.label("most")).select_from(counts.outerjoin(top, same)).subquery("before")
