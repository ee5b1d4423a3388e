"""R07: requests that ask for the model's hidden reasoning, or replay its signatures in other sessions.

An agent that hands the model its own signatures within a session does what the service asks for. A signature was made
in another session where no earlier request of the session shows reasoning, which is what a signature is made with; how
the session began otherwise, and where in it the replay stands, makes no difference. What came before a replay is read
from single requests, back to the baseline's first day, of accounts with replays in subjects with enough of them only.
A session is one account's, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FromClause,
    Select,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.periods import utc_midnight
from audits.rollups.account_model_day import account_model_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import counted, same_stretch, stretch, subject_levels
from audits.rules.engine.scope import Scope
from audits.rules.engine.scored import scored_requests
from audits.warehouse.dialects import ratio, utc_day
from audits.warehouse.tables import usage_events
from audits.warehouse.vocabulary import word

REPLAY, SHOWN = "signature_replay", ("summary", "full")
FOREIGN, OWN = "foreign", "own"
ASKING = ("score_min", "share_min", "requests_min", "group_requests_min")
REPLAYING = ("replays_min",)
LEAST = {"requests_min": "account", "group_requests_min": "group"}  # of what subject each is the limit
UNSCORED, UNTOLD = "not recorded: cot_elicit_score", "not recorded: reasoning_visibility, or session_id of replays"


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough elicitation, by share and by number, or enough replays across sessions.

    A finding tells of both or of the one that is over its limits. Where a limit changes inside the period, each stretch
    is held against its own, and of each the one with most is reported; of a group, those of its highest level.
    """
    a, r = _asking(scope).c, _replaying(scope).c
    asked = _worst(a, _asks(a), ASKING, requests=a.hits, share=ratio(a.hits, a.scored))
    both = union_all(asked, _worst(r, _replays_enough(r), REPLAYING, replays=r.hits)).subquery("both").c
    subject = (both.subject_type, both.subject_id, both.tier, both.level, both.level_rank)
    figures = (func.max(column).label(column.name) for column in both if column.name.startswith(("observed", "limit")))
    highest = func.row_number().over(partition_by=subject[:3], order_by=both.level_rank.desc())
    found = select(*subject, *figures, highest.label("place")).group_by(*subject).subquery("found").c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        case((found.observed_requests.is_(None), "replays"), else_="").label("discriminator"),
        literal(True).label("one_operator"),
        found.level.label("observed_level"),
        *(column for column in found if column.name.startswith(("observed", "limit"))),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, that would reach the limits if what is not recorded were so meant.

    Any request may have asked for hidden reasoning whose score is not recorded; or have replayed a signature from
    elsewhere whose visible reasoning is not, or whose session, or what was shown in it before.
    """
    return any_of(undecided(_asking(scope), _asks, UNSCORED), undecided(_replaying(scope), _replays_enough, UNTOLD))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that were scored for elicitation, and the replays across sessions, as far as told.

    ``scored`` and ``replayed`` say what a request is evidence of.
    """
    e, r = usage_events.c, _replays(scope, found.account_ids).c
    scored: ColumnElement[bool] = literal(False)
    replayed: ColumnElement[bool] = literal(False)
    if found.observed["requests"] is not None:
        scored = and_(e.status_code < 400, e.cot_elicit_score.is_not(None), counted(scope, _only(found, ASKING)))
    if found.observed["replays"] is not None:
        foreign = e.event_id.in_(select(r.event_id).where(r.made == FOREIGN))
        replayed = and_(foreign, counted(scope, _only(found, REPLAYING)))
    return scope.events_of(found.account_ids, or_(scored, replayed)).add_columns(
        e.cot_elicit_score, e.reasoning_visibility, e.session_id, scored.label("scored"), replayed.label("replayed")
    )


def _only(found: Found, limits: Iterable[str]) -> Found:
    return replace(found, limits={name: found.limits[name] for name in limits})


def _asks(a: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether a stretch has enough requests for hidden reasoning and ``more``, by number and by share."""
    least = case((a.subject_type == "group", a.limit_group_requests_min), else_=a.limit_requests_min)
    return and_(a.hits + more >= least, ratio(a.hits + more, a.scored + a.unread + more) >= a.limit_share_min)


def _replays_enough(r: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether a stretch has enough replays across sessions and ``more``."""
    enough: ColumnElement[bool] = r.hits + more >= r.limit_replays_min
    return enough


def _worst(rows: Any, over: ColumnElement[bool], own: tuple[str, ...], **figures: ColumnElement[Any]) -> Select[Any]:
    """Of each level of a subject the stretch with most of those that are over; what is not its own is empty."""
    key, nothing = stretch(rows, ()), cast(null(), Float(53))
    most = func.row_number().over(
        partition_by=key, order_by=(rows.hits.desc(), *(rows[f"limit_{name}"] for name in own))
    )
    said = {f"observed_{name}": figures.get(name, nothing) for name in ("requests", "share", "replays")}
    for name in (*ASKING, *REPLAYING):
        held = rows[f"limit_{name}"] if name in own else nothing
        said[f"limit_{name}"] = case((rows.subject_type == LEAST[name], held)) if name in LEAST else held
    columns = (cast(value, Float(53)).label(name) for name, value in said.items())
    worst = select(*key, *columns, most.label("place")).where(over).subquery("worst").c
    return select(*(column for column in worst if column.name != "place")).where(worst.place == 1)


def _asking(scope: Scope) -> FromClause:
    return scored_requests(scope, "cot_elicit_score", ASKING)


@computed_once
def _replaying(scope: Scope) -> Select[Any]:
    """Replays by subject and stretch: ``hits`` were made in another session, of ``missing`` ones nobody knows.

    Single requests are read of accounts with replays only, in subjects that have enough of them: of a group only the
    sessions of these accounts are compared, and those who replay nothing hide nobody.
    """
    m, d = subject_levels(scope, account_model_day).c, account_model_day.c
    key = stretch(m, REPLAYING)
    sums = (func.sum(m.n_signature_replay).label("replayed"), func.sum(m.n_reasoning_unknown).label("loose"))
    counts = select(*key, *sums).group_by(*key).cte("counts")
    c = counts.c
    loose = case((c.loose < c.limit_replays_min, c.loose), else_=0)  # of more nobody knows anyway
    busy = select(counts).where(c.replayed + loose >= c.limit_replays_min).subquery("busy")
    replaying = select(d.account_id).where(
        d.n_signature_replay > 0, d.day.between(scope.period.first_day, scope.period.last_day)
    )
    members = scope.members_of(busy).subquery("members").c
    accounts = select(members.account_id).where(members.account_id.in_(replaying))
    r = subject_levels(scope, _replays(scope, accounts)).c
    of_stretch = stretch(r, REPLAYING)
    foreign, unknown = func.count().filter(r.made == FOREIGN), func.count().filter(r.made.is_(None))
    told = (
        select(*of_stretch, foreign.label("foreign"), unknown.label("unknown")).group_by(*of_stretch).subquery("told")
    )
    t = told.c
    return select(
        *stretch(c, REPLAYING),
        func.coalesce(t.foreign, 0).label("hits"),
        (c.loose + func.coalesce(t.unknown, 0)).label("missing"),
    ).select_from(counts.outerjoin(told, same_stretch(c, t, REPLAYING)))


def _replays(scope: Scope, accounts: Select[Any] | Iterable[str]) -> CTE:
    """The successful replays of some accounts, in the shape of a rollup, with where their signatures were ``made``.

    NULL where nobody knows: the session is not recorded, or not what its earlier requests show, or there may be earlier
    ones on a day that is blocked.
    """
    e, other = usage_events.c, usage_events.alias("blocked_requests")
    since = utc_midnight(scope.baseline_from)
    rows = scope.requests(accounts, e.session_id, word(e.reasoning_visibility), where=(e.status_code < 400,)).c
    kind = case((rows.reasoning_visibility.in_(SHOWN), 2), (rows.reasoning_visibility.is_(None), 1), else_=0)
    before = func.max(kind).over(
        partition_by=(rows.account_id, rows.session_id), order_by=(rows.slice_start, rows.event_id), rows=(None, -1)
    )
    o = other.c
    earlier = and_(o.account_id == rows.account_id, o.event_ts < rows.slice_start, o.event_ts >= literal(since))
    blocked = ~scope.sound(o.source_system, utc_day(o.event_ts))
    hidden = exists(select(o.event_id).where(earlier, blocked)) if scope.blocked else false()
    # Of a session that is not recorded nothing is known, whatever was shown before.
    nameless, unknown = rows.session_id.is_(None), or_(before == 1, hidden)
    made = case((nameless, null()), (before == 2, OWN), (unknown, null()), else_=FOREIGN)
    every = select(*rows, made.label("made")).subquery("every").c
    return select(*every).where(every.reasoning_visibility == REPLAY).cte("replays")
